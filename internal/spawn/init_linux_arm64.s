#include "textflag.h"

// The first process of a sandbox, as init_linux_amd64.s tells it. arm64 has no
// vfork: clone(CLONE_VM|CLONE_VFORK|SIGCHLD) is the same. All of it is one
// function, so that the address of the signal handler is relative to the code.
TEXT ·initStart(SB), NOSPLIT|NOFRAME, $0
	MOVD RSP, R19
	MOVD 0(R19), R20          // argc
	ADD  $8, R19, R21         // argv
	ADD  R20<<3, R19, R22
	ADD  $16, R22, R22        // envp
	SUB  $256, RSP, R9
	MOVD R9, RSP

	MOVD $25, R8              // fcntl(3, F_SETFD, FD_CLOEXEC)
	MOVD $3, R0
	MOVD $2, R1
	MOVD $1, R2
	SVC

	// Whoever started us may have died before we asked to die with him: then
	// nobody reads the status pipe. ppoll(&{3, 0, 0}, 1, &{0, 0}, NULL, 0)
	// answers 1 for POLLERR.
	MOVD $3, R9
	MOVD R9, 64(RSP)
	MOVD $0, R9
	MOVD R9, 72(RSP)
	MOVD R9, 80(RSP)
	MOVD $73, R8
	ADD  $64, RSP, R0
	MOVD $1, R1
	ADD  $72, RSP, R2
	MOVD $0, R3
	MOVD $0, R4
	SVC
	CMP  $1, R0
	BEQ  orphan

	MOVD $167, R8             // prctl(PR_SET_DUMPABLE, 0)
	MOVD $4, R0
	MOVD $0, R1
	MOVD $0, R2
	MOVD $0, R3
	MOVD $0, R4
	SVC

	// struct kernel_sigaction {handler, flags, restorer, mask}:
	// SA_RESTORER|SA_RESTART.
	ADR  signal, R9
	MOVD R9, 0(RSP)
	MOVD $0x14000000, R9
	MOVD R9, 8(RSP)
	ADR  restore, R9
	MOVD R9, 16(RSP)
	MOVD $0, R9
	MOVD R9, 24(RSP)
	MOVD $134, R8             // rt_sigaction(SIGTERM)
	MOVD $15, R0
	MOVD RSP, R1
	MOVD $0, R2
	MOVD $8, R3
	SVC
	MOVD $134, R8             // rt_sigaction(SIGINT)
	MOVD $2, R0
	MOVD RSP, R1
	MOVD $0, R2
	MOVD $8, R3
	SVC

	MOVD $220, R8             // clone(CLONE_VM|CLONE_VFORK|SIGCHLD, 0, …)
	MOVD $0x4111, R0
	MOVD $0, R1
	MOVD $0, R2
	MOVD $0, R3
	MOVD $0, R4
	SVC
	CBZ  R0, command
	CMP  $0, R0
	BLT  refused
	MOVD R0, R23

wait:
	MOVD $260, R8             // wait4(-1, &status, 0, NULL)
	MOVD $-1, R0
	ADD  $68, RSP, R1
	MOVD $0, R2
	MOVD $0, R3
	SVC
	CMP  R23, R0
	BEQ  ended
	CMN  $10, R0              // ECHILD
	BNE  wait

ended:
	MOVW ZR, 64(RSP)
	MOVD $64, R8              // write(3, {0, status}, 8)
	MOVD $3, R0
	ADD  $64, RSP, R1
	MOVD $8, R2
	SVC
orphan:
	MOVD $94, R8              // exit_group(0)
	MOVD $0, R0
	SVC

command:
	MOVD $221, R8             // execve(argv[0], argv+1, envp)
	MOVD 0(R21), R0
	ADD  $8, R21, R1
	MOVD R22, R2
	SVC

refused:
	NEG  R0, R0
	MOVD $1, R9
	MOVW R9, 64(RSP)
	MOVW R0, 68(RSP)
	MOVD $64, R8              // write(3, {1, errno}, 8)
	MOVD $3, R0
	ADD  $64, RSP, R1
	MOVD $8, R2
	SVC
	MOVD $94, R8              // exit_group(127)
	MOVD $127, R0
	SVC
	BRK

signal:
	MOVD R0, R1               // kill(-1, n): every other process
	MOVD $-1, R0
	MOVD $129, R8
	SVC
	RET

restore:
	MOVD $139, R8             // rt_sigreturn
	SVC
	BRK

TEXT ·initEnd(SB), NOSPLIT|NOFRAME, $0
	BRK

// func initRange() (start, end uintptr)
TEXT ·initRange(SB), NOSPLIT, $0-16
	MOVD $·initStart(SB), R0
	MOVD R0, start+0(FP)
	MOVD $·initEnd(SB), R0
	MOVD R0, end+8(FP)
	RET
