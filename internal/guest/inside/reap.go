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
// A process is reaped under the lock under which it was forked and is
// signalled. So no status is lost, however short a command is, and no signal
// ever reaches a process that got the number of one that has gone.
type execs struct {
	all  bool         // reap every child, not only commands
	wait func() error // see Options.Ended

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
func (e *execs) init(opt *Options) {
	e.all, e.wait = opt.First, opt.Ended
	e.born.L = &e.mu
	e.running, e.names = map[int]*command{}, map[int]uint64{}
	switch {
	case e.all && e.wait != nil:
		e.loop.Go(e.reapWhenTold)
	case e.all:
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

// reapWhenTold reaps whenever the process hears that a child has ended.
func (e *execs) reapWhenTold() {
	for e.wait() == nil {
		e.reap(-1)
	}
}

// reapAll reaps every child of the process until close, on a thread that
// waits for them.
func (e *execs) reapAll() {
	for {
		err := ended(unix.P_ALL, 0)
		if err == unix.ECHILD && !e.awaitChild() {
			return
		}
		e.reap(-1)
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

// reapOne reaps a command where other children are not ours.
func (e *execs) reapOne(pid int) {
	if ended(unix.P_PID, pid) == nil {
		e.reap(pid)
	}
}

// ended waits for a child to end and leaves it as it is.
func ended(kind, id int) error {
	for {
		err := unix.Waitid(kind, id, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return err
		}
	}
}

// reap collects what has ended, a pid or with -1 every child, and tells whoever
// waits for it.
func (e *execs) reap(which int) {
	for {
		var ws unix.WaitStatus
		var ru unix.Rusage
		e.mu.Lock()
		pid := wait4(which, &ws, &ru)
		if pid <= 0 {
			e.mu.Unlock()
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
}

// wait4 is wait4(2) without waiting, and without telling the scheduler; see
// wire.FD.
func wait4(pid int, ws *unix.WaitStatus, ru *unix.Rusage) int {
	var status int32
	got, _, errno := unix.RawSyscall6(unix.SYS_WAIT4, uintptr(pid), uintptr(unsafe.Pointer(&status)), unix.WNOHANG, uintptr(unsafe.Pointer(ru)), 0, 0)
	if errno != 0 {
		return 0
	}
	*ws = unix.WaitStatus(status)
	return int(got)
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

// signalAll sends to every other process of the sandbox. Only the first
// process of a pid namespace may say "every": anywhere else it would mean the
// host's. Others send to the groups that they started.
func (e *execs) signalAll(sig syscall.Signal) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.all && unix.Getpid() == 1 {
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
