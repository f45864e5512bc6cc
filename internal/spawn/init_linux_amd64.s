#include "textflag.h"

// The first process of a sandbox. These bytes are never run in this process:
// initELF wraps them into a static executable of one page.
//
// It is started as execve(init, [path, argv0, argv1, …], env) with the status
// pipe as fd 3. It runs the command, reaps every orphan, passes SIGTERM and
// SIGINT on to the whole sandbox, and ends when the command ends, which ends
// every other process of the pid namespace. It tells {kind u32, value u32} on
// the status pipe: kind 0, the wait status; kind 1, the errno of execve.
TEXT ·initStart(SB), NOSPLIT|NOFRAME, $0
	MOVQ 0(SP), BX            // argc
	LEAQ 8(SP), R13           // argv
	LEAQ 16(SP)(BX*8), R14    // envp
	SUBQ $256, SP

	// The command must not inherit the status pipe: fcntl(3, F_SETFD, FD_CLOEXEC).
	MOVL $72, AX
	MOVL $3, DI
	MOVL $2, SI
	MOVL $1, DX
	SYSCALL

	// Whoever started us may have died before we asked to die with him: then
	// nobody reads the status pipe. poll(&{3, 0, 0}, 1, 0) answers 1 for POLLERR.
	MOVQ $3, 64(SP)
	MOVL $7, AX
	LEAQ 64(SP), DI
	MOVL $1, SI
	XORL DX, DX
	SYSCALL
	CMPQ AX, $1
	JEQ  orphan

	// No process of the same user may trace us: prctl(PR_SET_DUMPABLE, 0).
	MOVL $157, AX
	MOVL $4, DI
	XORL SI, SI
	XORL DX, DX
	XORL R10, R10
	XORL R8, R8
	SYSCALL

	// struct kernel_sigaction {handler, flags, restorer, mask}:
	// SA_RESTORER|SA_RESTART.
	LEAQ ·initSignal(SB), AX
	MOVQ AX, 0(SP)
	MOVQ $0x14000000, AX
	MOVQ AX, 8(SP)
	LEAQ ·initRestore(SB), AX
	MOVQ AX, 16(SP)
	MOVQ $0, 24(SP)
	MOVL $13, AX              // rt_sigaction(SIGTERM)
	MOVL $15, DI
	MOVQ SP, SI
	XORL DX, DX
	MOVL $8, R10
	SYSCALL
	MOVL $13, AX              // rt_sigaction(SIGINT)
	MOVL $2, DI
	MOVQ SP, SI
	XORL DX, DX
	MOVL $8, R10
	SYSCALL

	MOVL $58, AX              // vfork
	SYSCALL
	TESTQ AX, AX
	JZ   command
	JS   refused
	MOVQ AX, R15

wait:
	MOVL $61, AX              // wait4(-1, &status, 0, NULL)
	MOVQ $-1, DI
	LEAQ 68(SP), SI
	XORL DX, DX
	XORL R10, R10
	SYSCALL
	CMPQ AX, R15
	JEQ  ended
	CMPQ AX, $-10             // ECHILD: cannot be, the command is our child
	JNE  wait

ended:
	MOVL $0, 64(SP)
	MOVL $1, AX               // write(3, {0, status}, 8)
	MOVL $3, DI
	LEAQ 64(SP), SI
	MOVL $8, DX
	SYSCALL
orphan:
	MOVL $231, AX             // exit_group(0)
	XORL DI, DI
	SYSCALL

command:
	MOVL $59, AX              // execve(argv[0], argv+1, envp)
	MOVQ 0(R13), DI
	LEAQ 8(R13), SI
	MOVQ R14, DX
	SYSCALL

refused:
	NEGQ AX
	MOVL $1, 64(SP)
	MOVL AX, 68(SP)
	MOVL $1, AX               // write(3, {1, errno}, 8)
	MOVL $3, DI
	LEAQ 64(SP), SI
	MOVL $8, DX
	SYSCALL
	MOVL $231, AX             // exit_group(127)
	MOVL $127, DI
	SYSCALL
	INT  $3

// initSignal sends the signal that came to every other process: kill(-1, n).
TEXT ·initSignal(SB), NOSPLIT|NOFRAME, $0
	MOVL DI, SI
	MOVQ $-1, DI
	MOVL $62, AX
	SYSCALL
	RET

// initRestore ends a signal handler: rt_sigreturn.
TEXT ·initRestore(SB), NOSPLIT|NOFRAME, $0
	MOVL $15, AX
	SYSCALL
	INT  $3

TEXT ·initEnd(SB), NOSPLIT|NOFRAME, $0
	INT  $3

// func initRange() (start, end uintptr)
TEXT ·initRange(SB), NOSPLIT, $0-16
	LEAQ ·initStart(SB), AX
	MOVQ AX, start+0(FP)
	LEAQ ·initEnd(SB), AX
	MOVQ AX, end+8(FP)
	RET
