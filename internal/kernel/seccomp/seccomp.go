//go:build linux

// Package seccomp turns tables of system calls into kernel filters.
//
// A Filter is data: rules in order, and what happens to everything else. It
// can be printed for a reviewer, asked for its decision on one call (Decide),
// and compiled for an architecture into a program for the kernel (Compile).
// Default and Strict are the two tables that Bulkhead ships.
//
// A filter sees numbers, never memory: what a pointer points at cannot be
// checked here, so calls whose arguments stand in memory (clone3, openat2)
// are not offered at all.
package seccomp

//go:generate go run gen.go

import (
	"fmt"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Filter decides on system calls. The zero Filter kills at every call.
type Filter struct {
	Name      string // for listings
	Rules     []Rule // rules of one call are tried in order; the first that matches decides
	Otherwise Action // for calls without a rule, for numbers that nobody knows, and when no rule of a call matches
}

// Rule is one line of a filter.
type Rule struct {
	Call string // the kernel's name of the call; a call that the architecture does not have is skipped
	When []Cond // all must hold; none: always
	Then Action
}

// Action is what the kernel does with a call: a SECCOMP_RET value. The zero
// Action kills the calling thread's whole process.
type Action uint32

// The actions without a parameter; see Errno for the other one.
const (
	KillProcess Action = 0                             // SIGSYS to the whole process
	Allow       Action = unix.SECCOMP_RET_ALLOW        // the call runs
	Log         Action = unix.SECCOMP_RET_LOG          // the call runs and is logged
	Notify      Action = unix.SECCOMP_RET_USER_NOTIF   // a supervisor answers; ENOSYS when there is none
	errnoAction Action = unix.SECCOMP_RET_ERRNO        // with the error number in the low half
	actionMask  Action = unix.SECCOMP_RET_ACTION_FULL  // the action without its data
	killReturn  uint32 = unix.SECCOMP_RET_KILL_PROCESS // what KillProcess is for the kernel
	maxErrno           = 4095                          // MAX_ERRNO; the kernel cuts larger ones off
	x32Bit      uint32 = 0x40000000                    // __X32_SYSCALL_BIT
)

// Errno refuses a call with an error number from 1 to 4095.
func Errno(n syscall.Errno) Action { return errnoAction | Action(n)&0xfff }

// Errno returns the error number with which the action answers, and whether
// it answers with one.
func (a Action) Errno() (syscall.Errno, bool) {
	if a&actionMask != errnoAction {
		return 0, false
	}
	return syscall.Errno(a & 0xffff), true
}

// String is the action's word in a listing.
func (a Action) String() string {
	switch a {
	case KillProcess:
		return "kill"
	case Allow:
		return "allow"
	case Log:
		return "log"
	case Notify:
		return "notify"
	}
	if n, ok := a.Errno(); ok {
		return unix.ErrnoName(n)
	}
	return fmt.Sprintf("action %#x", uint32(a))
}

// ret is the value that a program returns for the action.
func (a Action) ret() uint32 {
	if a == KillProcess {
		return killReturn
	}
	return uint32(a)
}

// With returns a copy of f in which rules come before f's own.
func (f Filter) With(rules ...Rule) Filter {
	f.Rules = slices.Concat(rules, f.Rules)
	return f
}

// Notifying returns a copy of f in which a supervisor is asked about every
// call that f refuses with an error number. ENOSYS stays as it is: it says
// "not offered", programs probe for it and fall back, and nothing was refused.
func (f Filter) Notifying() Filter {
	f.Rules = slices.Clone(f.Rules)
	for i := range f.Rules {
		f.Rules[i].Then = f.Rules[i].Then.notifying()
	}
	f.Otherwise = f.Otherwise.notifying()
	return f
}

// notifying is Notify for a refusal and the action itself for all else.
func (a Action) notifying() Action {
	if n, ok := a.Errno(); ok && n != unix.ENOSYS {
		return Notify
	}
	return a
}
