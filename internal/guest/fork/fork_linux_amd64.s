#include "textflag.h"

// func cloneRun(flags, stack uintptr, ops *op, n uintptr, r *report) (pid uintptr)
//
// It calls clone(2) with CLONE_VM|CLONE_VFORK. The child never returns: on
// its own stack it makes each call of the table and ends in execve or, when a
// call fails, in exit_group after it has told which one and why. It touches
// no Go state and calls nothing.
TEXT ·cloneRun(SB), NOSPLIT, $0-48
	MOVQ flags+0(FP), DI
	MOVQ stack+8(FP), SI
	MOVQ ops+16(FP), R12
	MOVQ n+24(FP), R15
	MOVQ r+32(FP), R14
	XORL DX, DX
	XORL R10, R10
	XORL R8, R8
	MOVL $56, AX              // clone
	SYSCALL
	TESTQ AX, AX
	JZ   child
	MOVQ AX, pid+40(FP)
	RET

child:
	XORL R13, R13             // index of the call

loop:
	CMPQ R13, R15
	JAE  bad                  // ran past the table: execve was not the last call
	MOVQ 0(R12), AX
	MOVQ 8(R12), DI
	MOVQ 16(R12), SI
	MOVQ 24(R12), DX
	MOVQ 32(R12), R10
	MOVQ 40(R12), R8
	SYSCALL                   // clobbers RCX and R11
	CMPQ AX, $0xfffffffffffff001
	JCC  failed
	ADDQ $48, R12
	INCQ R13
	JMP  loop

failed:
	NEGQ AX
	JMP  tell
bad:
	MOVL $38, AX              // ENOSYS
tell:
	MOVQ R13, 0(R14)
	MOVQ AX, 8(R14)
	MOVL $231, AX             // exit_group
	MOVL $126, DI
	SYSCALL
	INT  $3
