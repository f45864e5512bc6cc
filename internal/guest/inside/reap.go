//go:build linux

package inside

import (
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/guest/fork"
)

// execs is every command that was started and has not ended, and the one
// place that reaps.
//
// A process is looked at before it is reaped (WNOWAIT) and reaped under the
// lock under which it was forked and is signalled. So no status is lost, however short a
// command is, and no signal ever reaches a process that got the number of one
// that has gone.
type execs struct {
	all bool // reap every child, not only commands

	mu      sync.Mutex // guards below
	born    sync.Cond  // of mu: there is a child, or quit was set
	running map[int]*command
	names   map[int]uint64 // session id to exec, of commands that ended too
	usage   usage
	quit    bool
	loop    sync.WaitGroup
}

// command is one exec.
type command struct {
	id  uint64
	pid int

	// ended is called once with how it ended, on the goroutine that reaps.
	ended func(ws unix.WaitStatus, ru *unix.Rusage)
}

// usage is what reaped processes used.
type usage struct {
	user, system  time.Duration
	maxRSS        int64
	read, written int64
	reaped        uint64
}

// maxNames bounds the memory of ended execs' sessions.
const maxNames = 4096

// init starts the loop that reaps when this is the sandbox's first process,
// whose children are all orphans of the sandbox.
func (e *execs) init(all bool) {
	e.all = all
	e.born.L = &e.mu
	e.running, e.names = map[int]*command{}, map[int]uint64{}
	if all {
		e.loop.Go(e.reapAll)
	}
}

// start forks under the lock, so that the loop cannot reap what is not
// registered yet.
func (e *execs) start(spec *fork.Command, c *command) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.quit {
		return &fork.Error{Step: fork.Fork, Errno: unix.ESHUTDOWN}
	}
	pid, err := fork.Start(spec)
	if err != nil {
		return err
	}
	c.pid = pid
	e.running[pid] = c
	if len(e.names) >= maxNames {
		clear(e.names)
	}
	e.names[pid] = c.id
	if e.all {
		e.born.Signal()
	} else {
		e.loop.Go(func() { e.reapOne(pid) })
	}
	return nil
}

// reapAll reaps every child of the process until close.
func (e *execs) reapAll() {
	for {
		pid, err := peek(unix.P_ALL, 0)
		if err == unix.ECHILD {
			if !e.awaitChild() {
				return
			}
			continue
		}
		if err == nil {
			e.reap(pid)
		}
	}
}

// awaitChild waits for a fork. Without children of its own the sandbox has no
// other processes that could become orphans.
func (e *execs) awaitChild() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.running) == 0 && !e.quit {
		e.born.Wait()
	}
	return !e.quit
}

func (e *execs) reapOne(pid int) {
	if _, err := peek(unix.P_PID, pid); err == nil {
		e.reap(pid)
	}
}

// peek waits for a child to end and leaves it as it is.
func peek(kind, id int) (int, error) {
	for {
		var info unix.Siginfo
		err := unix.Waitid(kind, id, &info, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return childOf(&info), err
		}
	}
}

// reap collects a child that has ended and tells whoever waits for it.
func (e *execs) reap(pid int) {
	var ws unix.WaitStatus
	var ru unix.Rusage
	e.mu.Lock()
	got, err := unix.Wait4(pid, &ws, unix.WNOHANG, &ru)
	if err != nil || got != pid {
		e.mu.Unlock() // a debugger's child, or one that a failed fork collected
		return
	}
	c := e.running[pid]
	delete(e.running, pid)
	e.usage.add(&ru)
	e.mu.Unlock()
	if c != nil {
		c.ended(ws, &ru)
	}
}

func (u *usage) add(ru *unix.Rusage) {
	u.user += time.Duration(ru.Utime.Nano())
	u.system += time.Duration(ru.Stime.Nano())
	u.maxRSS = max(u.maxRSS, ru.Maxrss<<10)
	u.read += ru.Inblock << 9
	u.written += ru.Oublock << 9
	u.reaped++
}

// signal sends to the process group of a running exec. It reports whether the
// exec still runs.
func (e *execs) signal(id uint64, sig syscall.Signal) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for pid, c := range e.running {
		if c.id == id {
			return true, unix.Kill(-pid, sig)
		}
	}
	return false, nil
}

// signalAll sends to every other process of the sandbox; without being its
// first process, to the groups that it started.
func (e *execs) signalAll(sig syscall.Signal) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.all {
		_ = unix.Kill(-1, sig)
		return
	}
	for pid := range e.running {
		_ = unix.Kill(-pid, sig)
	}
}

// alive reports whether any command runs.
func (e *execs) alive() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.running) > 0
}

// close kills what runs. As the sandbox's first process it does not wait: it
// will end, and the kernel then ends everything else.
func (e *execs) close() {
	e.mu.Lock()
	e.quit = true
	e.born.Broadcast()
	e.mu.Unlock()
	e.signalAll(unix.SIGKILL)
	if !e.all {
		e.loop.Wait()
	}
}

// childOf is si_pid, which x/sys leaves unnamed.
func childOf(info *unix.Siginfo) int {
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(info), siPid)))
}

const siPid = 16 // on 64-bit machines
