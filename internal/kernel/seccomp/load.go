//go:build linux

package seccomp

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Flags of Load that Bulkhead uses; see seccomp(2).
const (
	// NewListener makes Load return a descriptor on which notifications arrive.
	NewListener = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	// WaitKillable keeps a notified call from being interrupted by signals
	// that do not kill (Linux 5.19).
	WaitKillable = unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
)

// Load puts a program around the calling thread, for good. The caller holds
// the thread (runtime.LockOSThread), has set no_new_privs, and executes
// another program next: a filter on some threads of a Go process breaks it.
// The result is the listener's descriptor (close-on-exec) with NewListener,
// and 0 otherwise.
func Load(prog []unix.SockFilter, flags uint) (int, error) {
	if len(prog) == 0 || len(prog) > unix.BPF_MAXINSNS {
		return -1, fmt.Errorf("load seccomp filter: %d instructions", len(prog))
	}
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	fd, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(flags), uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return -1, fmt.Errorf("load seccomp filter: %w", errno)
	}
	return int(fd), nil
}

// Support is what the running kernel offers.
type Support struct {
	Filters       bool   // filters with errno and kill of the whole process
	Notifications bool   // supervisors that answer calls and may let them continue (Linux 5.5)
	Detail        string // why something is missing; empty when nothing is
}

// Probe asks the kernel. It changes nothing.
func Probe() Support {
	var s Support
	for _, a := range []struct {
		ret  uint32
		name string
	}{{unix.SECCOMP_RET_ERRNO, "errno"}, {unix.SECCOMP_RET_KILL_PROCESS, "kill process"}} {
		if err := available(a.ret); err != nil {
			s.Detail = fmt.Sprintf("seccomp action %q: %v", a.name, err)
			return s
		}
	}
	s.Filters = true

	if err := available(unix.SECCOMP_RET_USER_NOTIF); err != nil {
		s.Detail = fmt.Sprintf("seccomp user notification: %v", err)
		return s
	}
	s.Notifications = true
	return s
}

// available asks whether the kernel knows an action.
func available(ret uint32) error {
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&ret)))
	if errno != 0 {
		return errno
	}
	return nil
}
