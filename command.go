package bulkhead

import (
	"bytes"
	"context"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/live"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Cmd is one command in a Sandbox. It is shaped like os/exec's, and used once.
type Cmd struct {
	Args []string // a name without a slash is looked up in the sandbox's PATH
	Env  []string // "name=value", added to the sandbox's own
	Dir  string   // empty: the sandbox's work folder

	Stdin  io.Reader // nil: empty
	Stdout io.Writer // nil: dropped
	Stderr io.Writer // nil: dropped; may be the same as Stdout

	// Terminal gives it a terminal of this size instead of the three streams;
	// see TTY.
	Terminal *Size
	// Timeout ends the command with its process group; 0: the policy's wall
	// time.
	Timeout time.Duration
	// Strict narrows its system calls, and its children's, to the profile
	// strict.
	Strict bool
	// WaitDelay bounds how long Wait lets a process that has outlived the
	// command hold its output open. 0: until the context ends.
	WaitDelay time.Duration

	// Result is how it ended; nil before Wait has returned.
	Result *Result

	ctx     context.Context
	live    *live.Cmd
	started time.Time
	state   state
	pipes   []io.Closer // ours, closed by Wait
	box     *Sandbox
}

// state is how far a Cmd has come.
type state int

const (
	fresh state = iota
	running
	over
)

// Size is rows and columns of a terminal.
type Size struct{ Rows, Cols uint16 }

// Command returns a command that lives as long as it wants.
func (s *Sandbox) Command(name string, arg ...string) *Cmd {
	return s.CommandContext(context.Background(), name, arg...)
}

// CommandContext returns a command that is asked to stop when ctx ends, and
// killed two seconds later.
func (s *Sandbox) CommandContext(ctx context.Context, name string, arg ...string) *Cmd {
	args := append([]string{name}, arg...)
	return &Cmd{Args: args, ctx: ctx, live: s.live.Command(args...), box: s}
}

// String is the command for people to read.
func (c *Cmd) String() string { return strings.Join(c.Args, " ") }

// Start starts the command. A program that is not there is told by Wait. After
// a successful Start, Wait must be called.
func (c *Cmd) Start() error {
	if c.state != fresh {
		return fault.New(fault.Invalid, "already started")
	}
	env, err := variables(c.Env)
	if err != nil {
		return err
	}
	l := c.live
	l.Args, l.Env, l.Dir, l.Timeout, l.WaitDelay = c.Args, env, c.Dir, c.Timeout, c.WaitDelay
	l.Stdin, l.Stdout, l.Stderr = c.Stdin, c.Stdout, c.Stderr
	if c.Strict {
		l.Syscalls = policy.Strict
	}
	if c.Terminal != nil {
		size := guest.Size(*c.Terminal)
		l.Terminal = &size
	}
	c.started = time.Now()
	if err := l.Start(c.ctx); err != nil {
		c.closePipes()
		return err
	}
	c.state = running
	return nil
}

// Wait waits for the command to end and for its output to be written. It
// closes the pipes: like with os/exec, what is read from them is read before.
// The error is an *ExitError when the command did not succeed.
func (c *Cmd) Wait() error {
	if c.state != running {
		return fault.New(fault.Invalid, "not started, or already waited for")
	}
	exit, err := c.live.Wait()
	c.state = over
	c.closePipes()
	if err != nil {
		return err
	}
	c.Result = &Result{
		ExitCode: exit.Code, Signal: exit.Signal, TimedOut: exit.TimedOut, Cancelled: exit.Cancelled, Limit: exit.Limit,
		Duration: time.Since(c.started), UserTime: exit.User, SysTime: exit.System, MaxRSS: exit.MaxRSS,
	}
	if c.Result.Success() {
		return nil
	}
	c.Result.Report = c.box.Report()
	return &ExitError{Result: c.Result, cause: exit.NotRun}
}

// Run starts the command and waits for it.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs the command and returns what it wrote to stdout. Without a
// Stderr, what it wrote there is in the *ExitError.
func (c *Cmd) Output() ([]byte, error) {
	if c.Stdout != nil {
		return nil, fault.New(fault.Invalid, "stdout already set")
	}
	var stdout, stderr bytes.Buffer
	c.Stdout = &stdout
	if c.Stderr == nil {
		c.Stderr = &stderr
	}
	err := c.Run()
	if c.Result != nil {
		c.Result.Stdout, c.Result.Stderr = stdout.Bytes(), stderr.Bytes()
	}
	return stdout.Bytes(), err
}

// CombinedOutput runs the command and returns what it wrote to stdout and
// stderr.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	if c.Stdout != nil || c.Stderr != nil {
		return nil, fault.New(fault.Invalid, "stdout or Stderr already set")
	}
	var b bytes.Buffer
	c.Stdout, c.Stderr = &b, &b
	err := c.Run()
	return b.Bytes(), err
}

// StdinPipe returns a pipe to the command's stdin. Closing it is its end; Wait
// closes it too.
func (c *Cmd) StdinPipe() (io.WriteCloser, error) {
	if c.Stdin != nil || c.state != fresh {
		return nil, fault.New(fault.Invalid, "stdin already set, or already started")
	}
	p := c.live.StdinPipe()
	c.pipes = append(c.pipes, p)
	return p, nil
}

// StdoutPipe returns a pipe from the command's stdout, as fast as the kernel's
// own. Read it to its end before Wait, which closes it.
func (c *Cmd) StdoutPipe() (io.ReadCloser, error) { return c.outPipe(c.Stdout, c.live.StdoutPipe) }

// StderrPipe is StdoutPipe for stderr.
func (c *Cmd) StderrPipe() (io.ReadCloser, error) { return c.outPipe(c.Stderr, c.live.StderrPipe) }

func (c *Cmd) outPipe(set io.Writer, open func() io.ReadCloser) (io.ReadCloser, error) {
	if set != nil || c.state != fresh {
		return nil, fault.New(fault.Invalid, "stream already set, or already started")
	}
	p := open()
	c.pipes = append(c.pipes, p)
	return p, nil
}

func (c *Cmd) closePipes() {
	for _, p := range c.pipes {
		_ = p.Close()
	}
}

// TTY is the terminal of a command that was started with one: what is written
// is typed, what is read was printed. The caller closes it.
//
// What is read is the sandbox's: it may hold escape sequences that act on the
// terminal that shows it.
func (c *Cmd) TTY() io.ReadWriteCloser { return c.live.TTY() }

// Resize changes the size of its terminal.
func (c *Cmd) Resize(s Size) error { return c.live.Resize(c.ctx, guest.Size(s)) }

// PID is its process id inside the sandbox; 0 when it could not be run.
func (c *Cmd) PID() int { return c.live.PID() }

// Signal sends to its process group.
func (c *Cmd) Signal(sig syscall.Signal) error {
	return c.live.Signal(context.WithoutCancel(c.ctx), sig)
}

// Kill ends its process group.
func (c *Cmd) Kill() error { return c.Signal(syscall.SIGKILL) }

// variables reads "name=value" pairs; later ones win.
func variables(pairs []string) (map[string]string, error) {
	env := map[string]string{}
	for _, p := range pairs {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return nil, fault.Newf(fault.Invalid, "%q is not name=value", p)
		}
		env[name] = value
	}
	return env, nil
}

// Process is a process of a sandbox. What it is called is its own choice.
type Process struct {
	PID     int // inside
	Parent  int
	Args    []string
	User    time.Duration
	System  time.Duration
	RSS     int64 // bytes
	process guest.Process
}

// Processes lists the processes of the sandbox: commands, and what has outlived
// them.
func (s *Sandbox) Processes(ctx context.Context) ([]Process, error) {
	list, err := s.live.Processes(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Process, len(list))
	for i, p := range list {
		out[i] = Process{PID: p.PID, Parent: p.Parent, Args: p.Args, User: p.User, System: p.System, RSS: p.RSS, process: p}
	}
	return out, nil
}

// Signal sends to one process, if it still is the one that was listed.
func (s *Sandbox) Signal(ctx context.Context, p Process, sig syscall.Signal) error {
	return s.live.Client.Kill(ctx, p.process, sig)
}
