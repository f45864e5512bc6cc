//go:build linux

// Command bulkhead-init is the first process of a live sandbox. It serves the
// guest protocol on file descriptor 3: it starts the commands that the host
// asks for, reaps every process, and ends when the host closes the connection,
// which ends the sandbox.
//
// It is started inside all walls and needs no privilege. It takes no arguments
// and reads no environment of its own.
package main

import (
	"math"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/guest/inside"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// channel is the descriptor of the connection to the host.
const channel = 3

func main() {
	for _, step := range []func() error{
		hide,
		closeOthers,
		nullStdio,
		hearSignals,
		adopt,
	} {
		if err := step(); err != nil {
			os.Exit(125)
		}
	}
	memory := newTrimmer()
	err := inside.Serve(wire.NewFD(channel), inside.Options{First: true, Idle: memory.idle})
	if err != nil {
		os.Exit(1)
	}
}

// hide keeps every process of the same user out of our memory: prctl(2). It is
// the first step: before it an exec could take us over, but there is none yet.
func hide() error {
	return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}

// closeOthers leaves nothing open but the connection, which no exec inherits.
func closeOthers() error {
	if err := unix.CloseRange(channel+1, math.MaxUint32, 0); err != nil {
		return err
	}
	_, err := unix.FcntlInt(channel, unix.F_SETFD, unix.FD_CLOEXEC)
	return err
}

// nullStdio puts the null device on 0 to 2: what an exec gets that has no
// stream there. Without the device it is a pipe that nobody is at the other
// end of.
func nullStdio() error {
	fd, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return brokenPipe()
	}
	return stdio(fd, fd, fd)
}

func brokenPipe() error {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	return stdio(p[0], p[1], p[1])
}

// stdio puts descriptors on 0 to 2 and closes them where they were.
func stdio(fds ...int) error {
	for i, fd := range fds {
		if fd == i {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
				return err
			}
		} else if err := unix.Dup3(fd, i, 0); err != nil {
			return err
		}
	}
	for _, fd := range slices.Compact(fds) {
		if fd > channel {
			_ = unix.Close(fd)
		}
	}
	return nil
}

// hearSignals takes every signal and does nothing with it. The kernel delivers
// to a first process only what it has a handler for, and Go's runtime has one
// for each, which would end us.
func hearSignals() error {
	heard := make(chan os.Signal, 1) // nobody reads: what does not fit is dropped
	for sig := syscall.Signal(1); sig <= 64; sig++ {
		if !unheard[sig] {
			signal.Notify(heard, sig)
		}
	}
	return nil
}

// unheard are signals that end nobody, or cannot be caught.
var unheard = map[syscall.Signal]bool{unix.SIGKILL: true, unix.SIGSTOP: true, unix.SIGCHLD: true, unix.SIGURG: true, unix.SIGWINCH: true, unix.SIGCONT: true}

// adopt makes orphans ours where we are not the first process of a pid
// namespace.
func adopt() error {
	return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
}

func init() { debug.SetGCPercent(40) }
