package keeper

import (
	"context"
	"math"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/live"
	"github.com/bulkhead-dev/bulkhead/internal/service"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Box is a sandbox with a name.
type Box struct {
	*live.Sandbox
	Name      string
	Created   time.Time
	Idle      time.Duration // 0: never too long
	Workspace string        // host folder; empty: private

	log *log

	mu    sync.Mutex // guards below
	execs int
	runs  map[int]*Exec
}

func newBox(name string, o service.Opening, s *live.Sandbox) *Box {
	return &Box{Sandbox: s, Name: name, Created: time.Now(), Idle: o.Idle, Workspace: o.Workspace, log: newLog(), runs: map[int]*Exec{}}
}

// Execs is how many commands it was asked to run so far.
func (b *Box) Execs() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.execs
}

// Start is a command as a client asks for it.
type Start struct {
	Args     []string
	Env      map[string]string
	Dir      string
	Timeout  time.Duration // 0: the policy's
	Strict   bool
	Terminal *guest.Size
	Output   policy.Bytes // 0: what the policy writes, else no limit
}

// Exec is a command of a box. Set the streams and start it like a live.Cmd;
// what it prints through Stdout and Stderr is in the log too.
type Exec struct {
	*live.Cmd
	Number int // in the log; from 1
	box    *Box
}

// Exec returns a command.
func (b *Box) Exec(s Start) *Exec {
	c := b.Command(s.Args...)
	c.Env, c.Dir, c.Timeout, c.Terminal, c.Output = s.Env, s.Dir, s.Timeout, s.Terminal, s.Output
	if c.Output == 0 && b.Policy().Limits.Output == 0 {
		c.Output = math.MaxInt64
	}
	if s.Strict {
		c.Syscalls = policy.Strict
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.execs++
	return &Exec{Cmd: c, Number: b.execs, box: b}
}

// Start starts the command; see live.Cmd.Start.
func (x *Exec) Start(ctx context.Context) error {
	log := x.box.log
	log.add(x.Number, KindStart, []byte(strings.Join(x.Args, " ")))
	if x.Terminal == nil {
		both := x.Stdout != nil && live.SameWriter(x.Stdout, x.Stderr)
		x.Stdout = log.tee(x.Number, KindStdout, x.Stdout)
		if both {
			x.Stderr = x.Stdout
		} else {
			x.Stderr = log.tee(x.Number, KindStderr, x.Stderr)
		}
	}
	if err := x.Cmd.Start(ctx); err != nil {
		log.add(x.Number, KindEnd, []byte(err.Error()))
		return err
	}
	x.box.mu.Lock()
	x.box.runs[x.Number] = x
	x.box.mu.Unlock()
	return nil
}

// Wait waits for the command; see live.Cmd.Wait.
func (x *Exec) Wait() (live.Exit, error) {
	exit, err := x.Cmd.Wait()
	x.box.mu.Lock()
	delete(x.box.runs, x.Number)
	x.box.mu.Unlock()
	x.box.log.add(x.Number, KindEnd, []byte(ending(exit, err)))
	return exit, err
}

// Detach waits for the command in the background. It lives as long as its
// sandbox.
func (x *Exec) Detach() {
	go func() { _, _ = x.Wait() }()
}

// Signal sends to the process group of a command that runs.
func (b *Box) Signal(ctx context.Context, exec int, sig syscall.Signal) error {
	b.mu.Lock()
	x := b.runs[exec]
	b.mu.Unlock()
	if x == nil {
		return fault.Newf(fault.NotFound, "no command %d runs in sandbox %q", exec, b.Name)
	}
	return x.Cmd.Signal(ctx, sig)
}

// Logs yields what commands have printed, as far back as it is kept; see
// log.read.
func (b *Box) Logs(ctx context.Context, exec int, follow bool, yield func(Entry) error) error {
	return b.log.read(ctx, exec, follow, yield)
}
