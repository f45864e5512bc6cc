//go:build linux

package seccomp

import (
	"slices"

	"golang.org/x/sys/unix"
)

// Default is the filter for compilers, interpreters and version control:
// about 260 calls, many with conditions. What it refuses answers EPERM; what
// it does not know answers ENOSYS, as an older kernel would.
//
// Nothing here grants anything: a call that the filter lets through meets the
// namespaces, the missing capabilities, Landlock and the cgroup.
func Default() Filter {
	return Filter{
		Name: "default",
		Rules: slices.Concat(
			conditional(),
			allow(defaultAllowed),
			notOffered(),
			refuse(unix.EPERM, defaultRefused),
		),
		Otherwise: Errno(unix.ENOSYS),
	}
}

// conditional are the calls that depend on their arguments. Each list ends
// with what happens when none of its conditions hold.
func conditional() []Rule {
	return slices.Concat(
		cloneRules(),
		terminalRules(),
		descriptorRules(),
		socketRules(),
		setuidRules(),
		deviceRules(),
		prctlRules(),
		personalityRules(),
	)
}

// notOffered are calls that programs probe for and have another way for.
// Those of the first line keep their arguments in memory, where a filter
// cannot look; with EPERM instead, Python's threads and node fail to start.
// Secret memory would hide pages from the host that accounts for them.
func notOffered() []Rule {
	return refuse(unix.ENOSYS, `
		clone3 openat2
		memfd_secret`)
}

// defaultAllowed was collected by tracing python (with threads, asyncio and
// subprocess), node, npm, go, gcc, make, git, bash, dash and the core
// utilities, and rounded up to whole families where a neighbour gives nothing
// more than its traced sibling.
const defaultAllowed = `
	read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2
	close close_range lseek dup dup2 dup3 pipe pipe2
	stat fstat lstat newfstatat statx access faccessat faccessat2 statfs fstatfs
	getdents getdents64 readlink readlinkat getcwd chdir fchdir umask
	rmdir unlink unlinkat rename renameat renameat2
	link linkat symlink symlinkat chown fchown lchown fchownat
	truncate ftruncate fallocate fsync fdatasync sync syncfs sync_file_range
	utime utimes futimesat utimensat flock fadvise64 readahead
	sendfile splice tee copy_file_range
	getxattr lgetxattr fgetxattr setxattr lsetxattr fsetxattr
	listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr
	inotify_init inotify_init1 inotify_add_watch inotify_rm_watch
	poll ppoll select pselect6
	epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2
	eventfd eventfd2 signalfd signalfd4 memfd_create

	mmap munmap mprotect mremap madvise brk msync mincore mseal
	mlock mlock2 munlock mlockall munlockall
	pkey_alloc pkey_free pkey_mprotect membarrier
	mbind get_mempolicy set_mempolicy

	fork vfork execve execveat exit exit_group wait4 waitid
	kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_send_signal
	rt_sigaction rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigpending
	sigaltstack pause restart_syscall
	set_tid_address set_robust_list get_robust_list rseq
	futex futex_waitv futex_wait futex_wake futex_requeue
	arch_prctl
	getpid getppid gettid getpgid getpgrp setpgid getsid setsid
	getuid geteuid getgid getegid getresuid getresgid getgroups
	setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups
	capget capset
	landlock_create_ruleset landlock_add_rule landlock_restrict_self

	sched_yield sched_getaffinity sched_setaffinity
	sched_getparam sched_setparam sched_getscheduler sched_setscheduler
	sched_getattr sched_setattr sched_rr_get_interval
	sched_get_priority_max sched_get_priority_min
	getpriority setpriority ioprio_get ioprio_set getcpu
	getrlimit setrlimit prlimit64 getrusage sysinfo uname times
	time gettimeofday clock_gettime clock_getres nanosleep clock_nanosleep
	alarm getitimer setitimer
	timer_create timer_settime timer_gettime timer_getoverrun timer_delete
	timerfd_create timerfd_settime timerfd_gettime
	getrandom

	connect bind listen accept accept4 shutdown
	sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg
	getsockname getpeername getsockopt setsockopt

	shmget shmat shmctl shmdt
	semget semop semtimedop semctl
	msgget msgsnd msgrcv msgctl
	mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr
`

// defaultRefused are calls that would reach out of the sandbox, or whose
// kernel code is a frequent way out. They answer EPERM, as without privileges.
//
//   - namespaces and mounts: new ones bring capabilities over fresh kernel code
//   - other processes' memory and descriptors
//   - io_uring: its operations do not pass this filter
//   - file handles: they name files without a path
//   - keys: the kernel's keyrings are not in a namespace
//   - the machine itself: modules, reboot, clocks, swap, quotas, accounting, ports
//   - filters of one's own: their code is compiled into the kernel
const defaultRefused = `
	unshare setns
	mount umount2 pivot_root chroot mount_setattr move_mount
	open_tree open_tree_attr fsopen fsconfig fsmount fspick
	statmount listmount

	ptrace process_vm_readv process_vm_writev process_madvise process_mrelease
	kcmp pidfd_getfd move_pages migrate_pages

	io_uring_setup io_uring_enter io_uring_register
	open_by_handle_at name_to_handle_at
	keyctl add_key request_key
	bpf perf_event_open userfaultfd seccomp modify_ldt
	fanotify_init fanotify_mark lookup_dcookie

	init_module finit_module delete_module create_module get_kernel_syms query_module
	kexec_load kexec_file_load reboot
	swapon swapoff quotactl quotactl_fd acct
	iopl ioperm
	settimeofday clock_settime clock_adjtime adjtimex
	syslog vhangup nfsservctl uselib ustat sysfs _sysctl
	sethostname setdomainname
`
