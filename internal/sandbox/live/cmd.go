package live

import (
	"bytes"
	"context"
	"io"
	"maps"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Cmd is one command of a sandbox. It is shaped like the one of os/exec, but
// how it ended is a value. A Cmd is used once.
type Cmd struct {
	Args []string          // a name without a slash is looked up in the PATH
	Env  map[string]string // added to the sandbox's own
	Dir  string            // empty: the sandbox's work folder

	Stdin  io.Reader // nil: empty
	Stdout io.Writer // nil: dropped
	Stderr io.Writer // nil: dropped; may be the same as Stdout

	// Terminal gives it a terminal of this size instead of the three streams.
	Terminal *guest.Size

	// Timeout ends the command's process group; 0: the policy's wall time.
	Timeout time.Duration
	// Grace is how long a group that was asked to stop may take before it is
	// killed; 0: sandbox.Grace.
	Grace time.Duration
	// Output is the most that Stdout and Stderr get, each; more ends the
	// command. What is read through a pipe or a terminal is not counted. 0:
	// the policy's limit.
	Output policy.Bytes
	// Syscalls narrows the system calls of this command and its children to
	// the profile strict. Empty: the policy's profile.
	Syscalls policy.Profile
	// WaitDelay bounds how long Wait lets a process that has outlived the
	// command hold its output streams open. 0: until the context ends.
	WaitDelay time.Duration

	s         *Sandbox
	guest     *guest.Cmd
	ctx       context.Context // of the guest's command: ends when it is to be killed
	kill      context.CancelFunc
	stopWatch func() bool
	cancelled atomic.Bool
	over      atomic.Bool // too much output
}

// Exit is how a command ended.
type Exit struct {
	guest.Exit
	Limit string // the limit that ended it: memory, output; empty: none
}

// Command returns a command of the sandbox.
func (s *Sandbox) Command(args ...string) *Cmd {
	return &Cmd{Args: args, s: s, guest: s.Client.Command(args...)}
}

// Start starts the command. When ctx ends, its process group is asked to stop
// and killed after the grace. A program that cannot be run is no error: Wait
// tells. After a successful Start, Wait must be called.
func (c *Cmd) Start(ctx context.Context) error {
	if err := c.prepare(); err != nil {
		return err
	}
	c.ctx, c.kill = context.WithCancel(context.WithoutCancel(ctx))
	c.stopWatch = context.AfterFunc(ctx, c.cancel)
	if err := c.guest.Start(c.ctx); err != nil {
		c.stopWatch()
		c.kill()
		if ctx.Err() != nil {
			err = fault.Newf(fault.Cancelled, "start %q: %w", first(c.Args), context.Cause(ctx))
		}
		return err
	}
	return nil
}

// prepare fills the guest's command in.
func (c *Cmd) prepare() error {
	g, s := c.guest, c.s
	g.Args, g.Dir, g.Terminal, g.WaitDelay = c.Args, c.Dir, c.Terminal, c.WaitDelay
	if g.Dir == "" {
		g.Dir = s.inside.Dir
	}
	if g.Env = s.env; len(c.Env) > 0 {
		g.Env = environ(s.inside.Env, c.Env)
	}
	if c.Grace == 0 {
		c.Grace = sandbox.Grace
	}
	g.Grace = c.Grace
	if g.Timeout = c.Timeout; g.Timeout == 0 {
		g.Timeout = s.policy.Limits.WallTime
	}
	c.streams()
	return c.filter()
}

// filter gives the command a filter of its own where it, or the sandbox's
// policy, is strict.
func (c *Cmd) filter() error {
	switch {
	case c.Syscalls != "" && c.Syscalls != policy.Strict && c.Syscalls != policy.Default:
		return fault.Newf(fault.Invalid, "unknown profile of system calls %q", c.Syscalls)
	case c.Syscalls != policy.Strict && c.s.policy.Syscalls != policy.Strict:
		return nil
	case len(c.s.inside.Strict) == 0 && !c.s.policy.BestEffort:
		return fault.Newf(fault.Unsupported, "layer %q cannot narrow the system calls of one command", c.s.layer)
	}
	c.guest.Filter = c.s.inside.Strict
	return nil
}

// streams bounds the output of writers.
func (c *Cmd) streams() {
	limit := c.Output
	if limit == 0 {
		limit = c.s.policy.Limits.Effective().Output
	}
	g := c.guest
	if c.Stdin != nil {
		g.Stdin = c.Stdin
	}
	var out *limited
	if c.Stdout != nil {
		out = &limited{w: c.Stdout, left: int64(limit), over: c.tooMuch}
		g.Stdout = out
	}
	switch {
	case c.Stderr == nil:
	case out != nil && SameWriter(c.Stdout, c.Stderr):
		g.Stderr = out
	default:
		g.Stderr = &limited{w: c.Stderr, left: int64(limit), over: c.tooMuch}
	}
}

// tooMuch ends a command that wrote more than it may.
func (c *Cmd) tooMuch() {
	if !c.over.Swap(true) {
		c.kill()
	}
}

// cancel asks the command to stop, and kills it after the grace.
func (c *Cmd) cancel() {
	c.cancelled.Store(true)
	kill := time.AfterFunc(c.Grace, c.kill)
	context.AfterFunc(c.ctx, func() { kill.Stop() })
	_ = c.Signal(c.ctx, unix.SIGTERM)
}

// Wait returns how the command ended, once its output has been written. The
// error is for what is not the command's doing: the sandbox ended, or a writer
// of ours failed.
func (c *Cmd) Wait() (Exit, error) {
	e, err := c.guest.Wait()
	c.stopWatch()
	c.kill()
	exit := Exit{Exit: e}
	exit.Cancelled = c.cancelled.Load() && !c.over.Load() && !e.TimedOut
	switch {
	case c.over.Load():
		exit.Limit = "output"
	case c.s.killed.explains(c.s.machine, e):
		exit.Limit = "memory"
	}
	return exit, err
}

// Run starts the command and waits for it.
func (c *Cmd) Run(ctx context.Context) (Exit, error) {
	if err := c.Start(ctx); err != nil {
		return Exit{}, err
	}
	return c.Wait()
}

// CombinedOutput runs the command and returns what it wrote to stdout and
// stderr.
func (c *Cmd) CombinedOutput(ctx context.Context) ([]byte, Exit, error) {
	var b bytes.Buffer
	c.Stdout, c.Stderr = &b, &b
	exit, err := c.Run(ctx)
	return b.Bytes(), exit, err
}

// StdinPipe returns a pipe to the command's stdin, usable after Start. Closing
// it is its end; Wait closes it too.
func (c *Cmd) StdinPipe() io.WriteCloser { return c.guest.StdinPipe() }

// StdoutPipe returns a pipe from the command's stdout, usable after Start. It
// is the caller's to close; Wait does not wait for it.
func (c *Cmd) StdoutPipe() io.ReadCloser { return c.guest.StdoutPipe() }

// StderrPipe is StdoutPipe for stderr.
func (c *Cmd) StderrPipe() io.ReadCloser { return c.guest.StderrPipe() }

// TTY is the terminal of a command that has one; see guest.Cmd.
func (c *Cmd) TTY() io.ReadWriteCloser { return c.guest.TTY() }

// Resize changes the size of the command's terminal.
func (c *Cmd) Resize(ctx context.Context, size guest.Size) error { return c.guest.Resize(ctx, size) }

// PID is the command's process id inside; 0 when it could not be run.
func (c *Cmd) PID() int { return c.guest.PID() }

// ID names the command among those of its sandbox; see guest.Process.
func (c *Cmd) ID() uint64 { return c.guest.ID() }

// Signal sends to the command's process group. It fails with fault.NotFound
// when the command has ended.
func (c *Cmd) Signal(ctx context.Context, sig syscall.Signal) error { return c.guest.Signal(ctx, sig) }

// environ joins two sets of variables, sorted.
func environ(base, more map[string]string) []string {
	all := maps.Clone(base)
	maps.Copy(all, more)
	list := make([]string, 0, len(all))
	for _, k := range slices.Sorted(maps.Keys(all)) {
		list = append(list, k+"="+all[k])
	}
	return list
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// SameWriter reports whether both are one writer; comparing two that cannot be
// compared panics.
func SameWriter(a, b io.Writer) (equal bool) {
	defer func() { _ = recover() }()
	return a == b
}

// limited passes on what a command may write, and drops the rest.
type limited struct {
	w    io.Writer
	left int64
	over func()
}

// Write never blocks a command that is being ended.
func (l *limited) Write(p []byte) (int, error) {
	n := len(p)
	if int64(n) > l.left {
		p = p[:l.left]
		l.over()
	}
	l.left -= int64(len(p))
	if len(p) == 0 {
		return n, nil
	}
	if m, err := l.w.Write(p); err != nil {
		return m, err
	}
	return n, nil
}
