//go:build linux

// Package trace watches what a sandbox is refused, and tells which wall
// refused it and which grant would have allowed it.
//
// The kernel keeps its refusals to itself: a path that is not shown is plainly
// not there. With a trace, the sandbox's seccomp filter hands the calls that
// may be refused to a Supervisor. It looks up what the call means in the
// sandbox and on the host. When a wall stands between the two, it writes down
// a denial and answers as the kernel would have; in every other case, and
// whenever it cannot tell, the kernel goes on with the call.
//
// A trace grants nothing. What a pointer points at may change after it was
// read, so nothing that the supervisor reads is ever the permission for a
// call: all walls stay where they are behind it. It follows that what a trace
// reports is a help for people, not evidence: a process that wants to can
// confuse it.
package trace

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/notify"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/seccomp"
)

// Config is what a supervisor needs to know about its sandbox.
type Config struct {
	Filter seccomp.Filter // the filter as it was before Watch: what it refuses stays refused
	Arch   seccomp.Arch   // for which the filter was compiled

	// Own are folders inside that are the sandbox's own (scratch, the work
	// folder): a file that is missing there is just missing, whatever the host
	// has at the same path.
	Own []string

	// Tasks is the number of processes and threads now, and the limit; nil or a
	// limit of 0: not watched. It is called at every fork, concurrently.
	Tasks func() (now, limit int64)

	Steps    Steps         // what the walls are called; zero fields have their defaults
	Max      int           // distinct denials kept; 0: 200. Others are counted together
	Patience time.Duration // after which a call is refused because the supervisor is stuck; 0: 2 s
}

// Steps are the names of the walls in denials, as the report calls them.
type Steps struct {
	Root     string // default "private root": the host has it, the sandbox does not show it
	ReadOnly string // default "read-only mount"
	PIDs     string // default "pid namespace"
	Network  string // default "network namespace"
	Tasks    string // default "cgroup pids"
	Seccomp  string // default "seccomp"
}

// Supervisor answers the calls of one sandbox.
type Supervisor struct {
	Config
	listener *notify.Listener
	record   record
	root     root
	newest   atomic.Int64  // no process inside ever had a larger pid
	slots    chan struct{} // one for each call that is being judged
}

// crowd is how many calls are judged at the same time.
const crowd = 32

// New takes over the descriptor of a filter that Watch made.
func New(fd int, c Config) (*Supervisor, error) {
	l, err := notify.New(fd)
	if err != nil {
		return nil, err
	}
	s := &Supervisor{Config: c.withDefaults(), listener: l, slots: make(chan struct{}, crowd)}
	s.record.max = s.Max
	s.newest.Store(1) // the first process
	return s, nil
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		field *string
		value string
	}{
		{&c.Steps.Root, "private root"},
		{&c.Steps.ReadOnly, "read-only mount"},
		{&c.Steps.PIDs, "pid namespace"},
		{&c.Steps.Network, "network namespace"},
		{&c.Steps.Tasks, "cgroup pids"},
		{&c.Steps.Seccomp, "seccomp"},
	} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	if c.Max <= 0 {
		c.Max = 200
	}
	if c.Patience <= 0 {
		c.Patience = 2 * time.Second
	}
	return c
}

// Run answers until no process of the sandbox is left, and then returns nil.
// When ctx ends first, it lets go, and returns the cause: calls that wait, and
// later ones, fail with ENOSYS. It must be called exactly once. When it
// returns, all is quiet, except for look-ups in file systems that hang.
func (s *Supervisor) Run(ctx context.Context) error {
	var judges sync.WaitGroup
	defer s.settle(&judges)
	defer s.listener.Close()
	stop := context.AfterFunc(ctx, func() { s.listener.Close() })
	defer stop()

	for {
		n, err := s.listener.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, os.ErrClosed):
			return context.Cause(ctx)
		case err != nil:
			return err
		}
		if !s.enter() {
			s.answer(n, s.trouble(n, "too many calls wait"))
			continue
		}
		judges.Go(func() {
			defer func() { <-s.slots }()
			s.handle(n)
		})
	}
}

// settle waits for the judges, as long as they may take. One that hangs in the
// kernel keeps the sandbox's root open until it comes back.
func (s *Supervisor) settle(judges *sync.WaitGroup) {
	quiet := make(chan struct{})
	go func() {
		judges.Wait()
		s.root.close()
		close(quiet)
	}()
	patience := time.NewTimer(s.Patience)
	defer patience.Stop()
	select {
	case <-quiet:
	case <-patience.C:
	}
}

// enter waits for a free slot, but not for ever: file systems may hang.
func (s *Supervisor) enter() bool {
	select {
	case s.slots <- struct{}{}:
		return true
	default:
	}
	patience := time.NewTimer(s.Patience)
	defer patience.Stop()
	select {
	case s.slots <- struct{}{}:
		return true
	case <-patience.C:
		return false
	}
}

// Denials lists what was refused, in the order in which it was first seen.
func (s *Supervisor) Denials() []event.Denial { return s.record.list() }

// verdict is what becomes of a call. The zero verdict lets the kernel decide.
type verdict struct {
	denial event.Denial  // with an empty Operation: none
	errno  syscall.Errno // 0: the kernel goes on with the call
}

// handle judges one call and answers it, whatever happens in between.
func (s *Supervisor) handle(n notify.Notification) {
	watchdog := time.AfterFunc(s.Patience, func() { s.answer(n, s.trouble(n, "no answer in time")) })
	defer watchdog.Stop()
	defer func() {
		if recover() != nil {
			s.answer(n, s.trouble(n, "the supervisor failed"))
		}
	}()
	s.answer(n, s.judge(n))
}

// answer sends a verdict. It is written down only when it took effect: a
// second answer, or one to a dead process, does not.
func (s *Supervisor) answer(n notify.Notification, v verdict) {
	r := notify.Response{ID: n.ID, Errno: v.errno, Continue: v.errno == 0}
	if s.listener.Respond(r) == nil && v.denial.Operation != "" {
		s.record.add(v.denial)
	}
}

// trouble refuses a call that could not be judged. The walls behind would hold
// without us; but what promised to watch must not quietly look away.
func (s *Supervisor) trouble(n notify.Notification, why string) verdict {
	name, _ := s.Arch.CallName(n.Nr)
	return verdict{event.Denial{Operation: name, Object: why, Step: "trace"}, unix.EPERM}
}

// judge decides on one call.
func (s *Supervisor) judge(n notify.Notification) verdict {
	name, known := s.Arch.CallName(n.Nr)
	if n.Arch != s.Arch.Audit || !known {
		return s.trouble(n, "a call of another architecture")
	}
	c := call{Notification: n, name: name, s: s}
	action := s.Filter.Decide(s.Arch, n.Nr, n.Args)
	if errno, refused := action.Errno(); refused {
		return c.refusedByFilter(errno)
	}
	if action == seccomp.KillProcess {
		return s.trouble(n, "a call that kills")
	}
	if w, ok := watched[name]; ok {
		return w(c)
	}
	return verdict{}
}

// call is one notified call.
type call struct {
	notify.Notification
	name string
	s    *Supervisor
}

// int is an argument that the kernel takes as a C int.
func (c call) int(arg int) int { return int(int32(c.Args[arg])) }

// deny is a verdict with a denial.
func deny(errno syscall.Errno, operation, object, step, grant string) verdict {
	return verdict{event.Denial{Operation: operation, Object: clean(object), Step: step, Grant: clean(grant)}, errno}
}
