#include "textflag.h"

// childEnded is the handler of SIGCHLD: write(childEvent, &1, 8). It is called
// by the kernel on the signal stack of whatever thread waits, and touches
// nothing of Go.
TEXT ·childEnded(SB), NOSPLIT|NOFRAME, $0
	SUBQ $24, SP
	MOVQ $1, 0(SP)
	MOVL $1, AX               // write
	MOVL ·childEvent(SB), DI
	MOVQ SP, SI
	MOVL $8, DX
	SYSCALL
	ADDQ $24, SP
	RET

// childReturn ends it: rt_sigreturn.
TEXT ·childReturn(SB), NOSPLIT|NOFRAME, $0
	MOVL $15, AX
	SYSCALL
	INT  $3

// func childHandler() (handler, restorer uintptr)
TEXT ·childHandler(SB), NOSPLIT, $0-16
	LEAQ ·childEnded(SB), AX
	MOVQ AX, handler+0(FP)
	LEAQ ·childReturn(SB), AX
	MOVQ AX, restorer+8(FP)
	RET
