//go:build linux

package inside

import (
	"errors"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/guest/fork"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// job is an exec as its request sees it.
type job struct {
	op *op
	c  *command

	mu       sync.Mutex   // guards below
	timer    *time.Timer  // of the time-out; nil: none
	started  bool         // the host knows that it started, or does not want to
	exited   *wire.Exited // nil: it runs
	timedOut bool
}

// startExec starts a command. It answers when the command has ended.
func startExec(o *op, m *wire.Exec) error {
	var stdio stdio
	defer stdio.close()
	if err := stdio.open(o, m); err != nil {
		return err
	}
	path, err := look(m.Args[0], m.Env, m.Dir)
	if err != nil {
		o.answer(notRun(err), nil)
		return nil
	}
	j := &job{op: o, started: m.Quiet}
	spec := &fork.Command{Path: path, Args: m.Args, Env: m.Env, Dir: m.Dir, Stdio: stdio.child, TTY: m.PTY, Filter: m.Filter, Key: o.s.key}
	j.c = &command{id: o.id, ended: j.ended}
	if err := o.s.execs.start(spec, j.c); err != nil {
		var fe *fork.Error
		if errors.As(err, &fe) && fe.Step == fork.Execve {
			o.answer(notRun(fe.Errno), nil)
			return nil
		}
		return at(places[stepOf(err)], err)
	}
	o.whenCancelled(func() { _, _ = o.s.execs.signal(o.id, unix.SIGKILL) })
	j.limit(m)
	if !m.Quiet {
		j.tell(stdio.sent)
	}
	return nil
}

// places is where a step of fork failed, on the wire.
var places = map[fork.Step]wire.Where{
	fork.Fork:     wire.WhereFork,
	fork.Session:  wire.WhereSession,
	fork.Stdio:    wire.WhereStdio,
	fork.Terminal: wire.WhereTerminal,
	fork.Dir:      wire.WhereDir,
	fork.Filter:   wire.WhereFilter,
}

func stepOf(err error) fork.Step {
	var fe *fork.Error
	if errors.As(err, &fe) {
		return fe.Step
	}
	return fork.Fork
}

// notRun is how a command ends that could not be run: as in a shell.
func notRun(err error) *wire.Exited {
	m := &wire.Exited{Code: 126, NotFound: true}
	errno := unix.EACCES
	_ = errors.As(err, &errno)
	if errno == unix.ENOENT || errno == unix.ENOTDIR {
		m.Code = 127
	}
	m.Errno = uint16(errno)
	return m
}

// tell says that the command runs, and how it ended if it did meanwhile.
func (j *job) tell(fds []int) {
	_ = j.op.part(&wire.Started{PID: uint32(j.c.pid)}, fds...)
	j.mu.Lock()
	j.started = true
	exited := j.exited
	j.mu.Unlock()
	if exited != nil {
		j.op.answer(exited, nil)
	}
}

// ended is called by whoever reaps.
func (j *job) ended(ws unix.WaitStatus, ru *unix.Rusage) {
	m := &wire.Exited{PID: uint32(j.c.pid), User: ru.Utime.Nano(), System: ru.Stime.Nano(), MaxRSS: ru.Maxrss << 10}
	if ws.Signaled() {
		m.Signal = uint8(ws.Signal())
	} else {
		m.Code = uint8(ws.ExitStatus())
	}
	j.mu.Lock()
	if j.timer != nil {
		j.timer.Stop()
	}
	m.TimedOut = j.timedOut
	j.exited = m
	started := j.started
	j.mu.Unlock()
	if started {
		j.op.answer(m, nil)
	}
}

// limit ends the command when its time is up.
func (j *job) limit(m *wire.Exec) {
	if m.Timeout == 0 {
		return
	}
	grace := time.Duration(m.Grace)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.exited == nil {
		j.timer = time.AfterFunc(time.Duration(m.Timeout), func() { j.timeUp(grace) })
	}
}

func (j *job) timeUp(grace time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.exited != nil {
		return
	}
	first := syscall.Signal(unix.SIGTERM)
	if j.timedOut || grace == 0 {
		first = unix.SIGKILL
	}
	if !j.timedOut {
		j.timedOut = true
		if grace > 0 {
			j.timer = time.AfterFunc(grace, func() { j.timeUp(0) })
		}
	}
	go func() { _, _ = j.op.s.execs.signal(j.op.id, first) }() // not under our lock: the reaper takes it under its own
}

// signalExec signals the process group of an exec.
func signalExec(o *op, m *wire.Signal) (wire.Message, error) {
	runs, err := o.s.execs.signal(m.Exec, syscall.Signal(m.Signal))
	if !runs {
		return nil, at(wire.WhereEnded, unix.ESRCH)
	}
	return &wire.Empty{}, at(wire.WhereRequest, err)
}
