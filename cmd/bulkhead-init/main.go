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
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"
	"unsafe"

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
		deafen,
		adopt,
	} {
		if err := step(); err != nil {
			os.Exit(125)
		}
	}
	if err := serve(); err != nil {
		os.Exit(1)
	}
}

func serve() error {
	t, err := wire.NewFD(channel)
	if err != nil {
		return err
	}
	ended, err := hearChildren()
	if err != nil {
		return err
	}
	return inside.Serve(t, inside.Options{First: true, Ended: ended, Idle: newTrimmer().idle})
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

// deafen takes Go's handlers off the signals. The kernel delivers to the first
// process of a pid namespace only what it has a handler for: so nothing that is
// sent from inside reaches us, and the end of a process wakes nobody for
// nothing (statuses are waited for). Go keeps what it needs.
func deafen() error {
	var none [4]uint64 // struct sigaction: SIG_DFL
	for sig := syscall.Signal(1); sig <= 64; sig++ {
		if heard[sig] {
			continue
		}
		_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&none)), 0, 8, 0, 0)
		if errno != 0 {
			return errno
		}
	}
	return nil
}

// heard are the signals that cannot be caught and those that Go uses itself,
// which it survives when others send them: a write to a pipe that nobody
// reads, and preemption.
var heard = map[syscall.Signal]bool{unix.SIGKILL: true, unix.SIGSTOP: true, unix.SIGPIPE: true, unix.SIGURG: true}

// adopt makes orphans ours where we are not the first process of a pid
// namespace.
func adopt() error {
	return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
}

// What a small process needs of Go's runtime: one processor, and a heap that
// is collected early.
func init() {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(40)
}
