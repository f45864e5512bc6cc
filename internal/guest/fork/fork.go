//go:build linux

// Package fork starts one command inside a live sandbox, from its first
// process.
//
// Why not os/exec: a filter of the command's own must be loaded by the child,
// after everything that the filter might refuse and right before execve; Go's
// child cannot do that. Why not internal/spawn's launcher: it calls clone3,
// which every sandbox's filter answers with ENOSYS because its flags stand in
// memory, where a filter cannot look. This one uses clone(2) and needs no
// thread of its own, which an idle sandbox would pay for.
package fork

import (
	"fmt"
	"syscall"
)

// Command is what to run.
type Command struct {
	Path  string   // of the program; not looked up
	Args  []string // argv, as the program will see it
	Env   []string
	Dir   string // working directory; empty: the caller's
	Stdio [3]int // descriptors above 2 that become 0, 1 and 2; -1: the caller's own
	TTY   bool   // Stdio[0] becomes the controlling terminal

	// Filter is struct sock_filter, one after the other, loaded right before
	// execve with prctl(PR_SET_SECCOMP). Key becomes the call's fourth and
	// fifth argument, which the kernel ignores: a sandbox's filter can allow
	// the call with these alone, so that nobody but init can load one.
	Filter []byte
	Key    [2]uint64
}

// Step says what the child was doing.
type Step uint8

// The steps, in order.
const (
	Fork Step = iota
	Session
	Stdio
	Terminal
	Dir
	Filter
	Execve
)

var names = [...]string{Fork: "fork", Session: "new session", Stdio: "stdio", Terminal: "terminal", Dir: "working directory", Filter: "seccomp filter", Execve: "execve"}

// String is the step in words.
func (s Step) String() string {
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("step %d", s)
}

// Error says which step failed. No process is left then.
type Error struct {
	Step  Step
	Errno syscall.Errno
}

// Error names the step and the kernel's answer.
func (e *Error) Error() string { return e.Step.String() + ": " + e.Errno.Error() }

// Unwrap returns the errno.
func (e *Error) Unwrap() error { return e.Errno }

// check refuses what the kernel would misread.
func (c *Command) check() error {
	for _, fd := range c.Stdio {
		if fd >= 0 && fd <= 2 {
			return &Error{Stdio, syscall.EBADF}
		}
	}
	if c.TTY && c.Stdio[0] < 0 {
		return &Error{Terminal, syscall.ENOTTY}
	}
	if len(c.Filter)%8 != 0 || len(c.Filter) > 8*4096 {
		return &Error{Filter, syscall.EINVAL}
	}
	return nil
}
