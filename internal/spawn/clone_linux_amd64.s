#include "textflag.h"

// func cloneRun(args *cloneArgs, size uintptr, ops *rawOp, slots *uint64, n uintptr) (pid uintptr)
//
// It calls clone3(2). The child never returns: it walks the table on its own
// stack and ends in execve or exit_group. It touches no Go state and calls
// nothing.
TEXT ·cloneRun(SB), NOSPLIT, $0-48
	MOVQ args+0(FP), DI
	MOVQ size+8(FP), SI
	MOVQ ops+16(FP), R12
	MOVQ slots+24(FP), R14
	MOVQ n+32(FP), R15
	MOVL $435, AX             // clone3
	SYSCALL
	TESTQ AX, AX
	JZ   child
	MOVQ AX, pid+40(FP)
	RET

child:
	XORL R13, R13             // index of the operation

loop:
	CMPQ R13, R15
	JAE  bad                  // ran past the table: execve was not the last call
	MOVQ 0(R12), AX
	MOVQ 8(R12), DI
	MOVQ 16(R12), SI
	MOVQ 24(R12), DX
	MOVQ 32(R12), R10
	MOVQ 40(R12), R8
	MOVQ 48(R12), R9
	MOVQ 56(R12), BX          // control word, see rawOp
	TESTQ $1, BX
	JZ   arg1
	MOVQ (R14)(DI*8), DI
arg1:
	TESTQ $2, BX
	JZ   arg2
	MOVQ (R14)(SI*8), SI
arg2:
	TESTQ $4, BX
	JZ   arg3
	MOVQ (R14)(DX*8), DX
arg3:
	TESTQ $8, BX
	JZ   arg4
	MOVQ (R14)(R10*8), R10
arg4:
	TESTQ $16, BX
	JZ   arg5
	MOVQ (R14)(R8*8), R8
arg5:
	TESTQ $32, BX
	JZ   call
	MOVQ (R14)(R9*8), R9
call:
	SYSCALL                   // clobbers RCX and R11
	CMPQ AX, $0xfffffffffffff001
	JCC  failed
next:
	MOVQ BX, CX
	SHRQ $16, CX
	ANDQ $0xffff, CX
	JZ   advance
	MOVQ AX, (R14)(CX*8)
advance:
	ADDQ $64, R12
	INCQ R13
	JMP  loop

failed:
	TESTQ $64, BX
	JNZ  advance
	NEGQ AX
	JMP  report

bad:
	MOVL $38, AX              // ENOSYS
report:
	MOVQ AX, 4080(R14)        // slotErrno
	MOVQ R13, 4088(R14)       // slotIndex
	MOVL $231, AX             // exit_group
	MOVL $126, DI
	SYSCALL
	INT  $3
