//go:build linux

package seccomp

import (
	"slices"

	"golang.org/x/sys/unix"
)

// Strict is the filter for a step that computes: shells, pipelines of the
// core utilities, Go and C programs, and Python without threads. It has about
// seventy calls and no sockets. Anything else ends the process, so that an
// exploit has one try; the few calls that ordinary programs probe for and can
// do without answer ENOSYS.
func Strict() Filter {
	return Filter{
		Name: "strict",
		Rules: slices.Concat(
			cloneRules(),
			terminalRules(),
			descriptorRules(),
			only("open", setuidRules()),
			only("openat", setuidRules()),
			prctlRules(),
			allow(strictAllowed),
			noServices(),
			refuse(unix.ENOSYS, strictProbed),
		),
		Otherwise: KillProcess,
	}
}

// strictAllowed was collected by tracing busybox and dash pipelines, Go, gcc's
// and Python's start. busybox gives up a privilege that it does not have
// (setgid, setuid); the kernel lets a process be no other than it is. The
// second group has what takes their place on arm64, the last what sort needs:
// it asks how much memory there is, takes "unknown" for "none", and then spills
// into files of scratch that it deletes.
const strictAllowed = `
	read write writev pread64 close fstat newfstatat lseek
	mmap mprotect munmap brk madvise
	rt_sigaction rt_sigprocmask rt_sigreturn rt_sigsuspend sigaltstack
	access dup dup2 pipe2 getdents64 readlink getcwd chdir fchdir umask
	statfs fstatfs fadvise64
	setuid setgid getpid getppid gettid getuid geteuid getgid getegid getgroups getpgrp getpgid
	vfork execve exit exit_group wait4 kill tgkill restart_syscall
	futex arch_prctl set_tid_address set_robust_list rseq
	prlimit64 getrandom uname nanosleep clock_gettime clock_nanosleep
	sched_getaffinity sched_yield poll
	epoll_create1 epoll_ctl epoll_pwait eventfd2

	dup3 faccessat readlinkat ppoll pselect6
	stat lstat fork pipe

	sysinfo unlink unlinkat
`

// strictProbed are calls that the C library, Go and the core utilities try
// first and replace by an older one, or do without.
const strictProbed = `
	clone3 openat2 statx faccessat2 close_range
	memfd_create memfd_secret mremap
	sendfile copy_file_range getxattr lgetxattr fgetxattr
`

// noServices answers the C library, which asks for a name service over a local
// socket whenever a program prints a user's name, and bash, which asks whether
// its input is a socket. Every other socket kills.
func noServices() []Rule {
	return []Rule{
		when("socket", Errno(unix.EAFNOSUPPORT), Is(0, unix.AF_UNIX)),
		when("socket", KillProcess),
		when("getpeername", Errno(unix.ENOTSOCK)),
	}
}

// only are the rules of one call.
func only(call string, rules []Rule) []Rule {
	return slices.DeleteFunc(slices.Clone(rules), func(r Rule) bool { return r.Call != call })
}
