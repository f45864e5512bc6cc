//go:build linux

package guest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// Cmd is one command in the sandbox. It is shaped like the one of os/exec,
// but how the command ended is a value. A Cmd is used once.
type Cmd struct {
	// Args is the program and its arguments. A name without a slash is looked
	// up in the PATH of Env.
	Args []string
	Env  []string // "name=value"; nothing is inherited
	Dir  string   // empty: where init was started

	Stdin  io.Reader // nil: the null device
	Stdout io.Writer // nil: the null device
	Stderr io.Writer // nil: the null device; may be the same as Stdout, which is then written by one goroutine

	// Terminal gives the command a terminal of this size instead of the three
	// streams; see TTY. nil: none.
	Terminal *Size

	// Timeout ends the command's process group with SIGTERM, and after Grace
	// with SIGKILL; without a Grace with SIGKILL at once. 0: no limit.
	Timeout time.Duration
	Grace   time.Duration

	// Filter is struct sock_filter, one after the other: a seccomp filter on
	// top of the sandbox's own. Empty: none.
	Filter []byte

	// WaitDelay bounds how long Wait lets a process that has outlived the
	// command hold its output streams open. 0: until the context ends.
	WaitDelay time.Duration

	client  *Client
	streams streams
	call    *call
	ctx     context.Context
	pid     int
	tty     io.ReadWriteCloser
	started chan struct{} // closed when the guest says so, or the call ended
	copying int           // outputs that are copied
	copies  sync.WaitGroup
	copyErr error // of a writer of ours; guarded by copyMu
	copyMu  sync.Mutex
	after   []io.Closer // our ends that Wait closes
	attach  []func()    // start copying
}

// Size is rows and columns of a terminal.
type Size struct{ Rows, Cols uint16 }

// Exit is how a command ended.
type Exit struct {
	Code      int            // 0 to 255; 127 not found, 126 not runnable; -1 when a signal ended it
	Signal    syscall.Signal // 0: none
	TimedOut  bool           // Timeout ended it
	Cancelled bool           // the context ended it
	NotRun    error          // why the program could not be run, with Code 126 or 127; nil: it ran
	User      time.Duration
	System    time.Duration
	MaxRSS    int64 // bytes
}

// Command returns a command of this sandbox.
func (c *Client) Command(args ...string) *Cmd { return &Cmd{Args: args, client: c} }

// Start starts the command. When ctx ends, the command's process group is
// killed. A program that cannot be run is no error: Wait tells.
//
// It fails with the kind of what the sandbox could not do (a working directory
// that is missing is fault.NotFound, a filter that is none fault.Invalid),
// and with fault.Unavailable when the session ends. After a successful Start,
// Wait must be called.
func (cmd *Cmd) Start(ctx context.Context) error { return cmd.launch(ctx, false) }

// launch starts the command. A quiet one is not waited for: Wait tells also
// what Start would have.
func (cmd *Cmd) launch(ctx context.Context, quiet bool) error {
	if cmd.started != nil {
		return fault.New(fault.Invalid, "a command can be started once")
	}
	if len(cmd.Args) == 0 {
		return fault.New(fault.Invalid, "no command")
	}
	cmd.started, cmd.ctx = make(chan struct{}), ctx
	if err := cmd.start(quiet && cmd.Terminal == nil); err != nil {
		cmd.closeAll()
		return doing("start", cmd.Args[0], err)
	}
	return nil
}

func (cmd *Cmd) start(quiet bool) error {
	req := cmd.request()
	req.Quiet = quiet
	k, err := cmd.client.begin(wire.KindExec, req, cmd.part, func(id uint64) ([]int, error) {
		cmd.streams = streams{c: cmd.client, id: id}
		err := cmd.open()
		return cmd.streams.sent, err
	})
	cmd.streams.release()
	if err != nil {
		cmd.streams.abandon()
		return err
	}
	cmd.call = k
	if !quiet {
		if err := cmd.awaitStart(); err != nil {
			cmd.streams.abandon()
			return err
		}
	}
	for _, f := range cmd.attach {
		f()
	}
	return nil
}

// awaitStart waits until the guest says that the command runs.
func (cmd *Cmd) awaitStart() error {
	select {
	case <-cmd.started:
	case <-cmd.call.done:
	case <-cmd.ctx.Done():
		cmd.call.drop()
		if cmd.tty != nil { // it started just now
			_ = cmd.tty.Close()
		}
		return stopped(cmd.ctx)
	}
	if cmd.call.over() {
		return cmd.call.err
	}
	return nil
}

func (cmd *Cmd) request() *wire.Exec {
	m := &wire.Exec{Args: cmd.Args, Env: cmd.Env, Dir: cmd.Dir, Timeout: int64(cmd.Timeout), Grace: int64(cmd.Grace), Filter: cmd.Filter}
	if cmd.Terminal != nil {
		m.PTY, m.Rows, m.Cols = true, cmd.Terminal.Rows, cmd.Terminal.Cols
		return m
	}
	if cmd.Stdin != nil {
		m.Stdio |= wire.HasStdin
	}
	if cmd.Stdout != nil {
		m.Stdio |= wire.HasStdout
	}
	switch {
	case cmd.Stderr == nil:
	case same(cmd.Stdout, cmd.Stderr):
		m.Stdio |= wire.Merged
	default:
		m.Stdio |= wire.HasStderr
	}
	return m
}

// same reports whether both are one writer, as os/exec does: comparing two
// that cannot be compared panics.
func same(a, b io.Writer) (equal bool) {
	defer func() { _ = recover() }()
	return a == b
}

// part takes the answer that the command has started.
func (cmd *Cmd) part(payload []byte, fds []int) error {
	var m wire.Started
	if err := wire.Parse(payload, &m); err != nil {
		wire.CloseAll(fds)
		return err
	}
	if isClosed(cmd.started) || m.PID == 0 {
		wire.CloseAll(fds)
		return breach("a command that started twice, or not at all")
	}
	cmd.pid = int(m.PID)
	if cmd.Terminal != nil && cmd.client.mux == nil {
		fd, err := one(fds)
		if err != nil {
			return err
		}
		f, err := terminalFile(fd)
		if err != nil {
			return err
		}
		cmd.tty = &fileTerminal{f}
	} else if len(fds) > 0 {
		wire.CloseAll(fds)
		return breach("descriptors that nobody asked for")
	}
	close(cmd.started)
	return nil
}

// Wait returns how the command ended, once its output has been written. The
// error is for what is not the command's doing: the session ended, or a writer
// of ours failed (errors.Is finds it).
func (cmd *Cmd) Wait() (Exit, error) {
	exit, err := cmd.ended()
	cmd.drain()
	cmd.closeAll()
	cmd.copyMu.Lock()
	defer cmd.copyMu.Unlock()
	return exit, errors.Join(err, cmd.copyErr)
}

// killGrace is how long a guest may take to tell that it killed a command.
const killGrace = 5 * time.Second

// ended waits for the command itself.
func (cmd *Cmd) ended() (Exit, error) {
	k := cmd.call
	select {
	case <-k.done:
		return cmd.exit(false)
	case <-cmd.ctx.Done():
	}
	go k.cancel()
	silent := time.NewTimer(killGrace)
	defer silent.Stop()
	select {
	case <-k.done:
		return cmd.exit(true)
	case <-silent.C:
		k.drop()
		return Exit{}, fault.Newf(fault.Unavailable, "kill %q: the sandbox does not answer", cmd.Args[0])
	}
}

// exit reads the answer.
func (cmd *Cmd) exit(cancelled bool) (Exit, error) {
	var m wire.Exited
	if err := cmd.call.wait(context.Background(), &m); err != nil {
		return Exit{}, doing("run", cmd.Args[0], err)
	}
	cmd.pid = int(m.PID)
	e := Exit{
		Code: int(m.Code), Signal: syscall.Signal(m.Signal), TimedOut: m.TimedOut,
		User: time.Duration(m.User), System: time.Duration(m.System), MaxRSS: m.MaxRSS,
	}
	if m.Signal != 0 {
		e.Code = -1
		e.Cancelled = cancelled
	}
	if m.NotFound {
		e.NotRun = doing("run", cmd.Args[0], failed(&wire.Fail{Errno: m.Errno, Where: wire.WhereOpen}))
	}
	return e, nil
}

// drain waits for the output streams to end, as long as they may take.
func (cmd *Cmd) drain() {
	if cmd.copying == 0 {
		return
	}
	done := make(chan struct{})
	go func() { cmd.copies.Wait(); close(done) }()
	var late <-chan time.Time
	if cmd.WaitDelay > 0 {
		t := time.NewTimer(cmd.WaitDelay)
		defer t.Stop()
		late = t.C
	}
	select {
	case <-done:
		return
	case <-late:
	case <-cmd.ctx.Done():
	case <-cmd.client.dead:
	}
	for _, c := range cmd.after {
		_ = c.Close()
	}
	<-done
}

// closeAll closes our ends.
func (cmd *Cmd) closeAll() {
	for _, c := range cmd.after {
		_ = c.Close()
	}
}

// Run starts the command and waits for it.
func (cmd *Cmd) Run(ctx context.Context) (Exit, error) {
	if err := cmd.launch(ctx, true); err != nil {
		return Exit{}, err
	}
	return cmd.Wait()
}

// Output runs the command and returns what it wrote to stdout.
func (cmd *Cmd) Output(ctx context.Context) ([]byte, Exit, error) {
	var b bytes.Buffer
	cmd.Stdout = &b
	exit, err := cmd.Run(ctx)
	return b.Bytes(), exit, err
}

// CombinedOutput runs the command and returns what it wrote to stdout and
// stderr.
func (cmd *Cmd) CombinedOutput(ctx context.Context) ([]byte, Exit, error) {
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	exit, err := cmd.Run(ctx)
	return b.Bytes(), exit, err
}

// PID is the command's process id inside the sandbox; 0 when it could not be
// run. It is valid after Start, and after Wait.
func (cmd *Cmd) PID() int { return cmd.pid }

// ID names the command among the execs of its sandbox; see Process.Exec.
func (cmd *Cmd) ID() uint64 { return cmd.call.id }

// Signal sends to the command's process group. It fails with fault.NotFound
// when the command has ended.
func (cmd *Cmd) Signal(ctx context.Context, sig syscall.Signal) error {
	err := cmd.client.ask(ctx, wire.KindSignal, &wire.Signal{Exec: cmd.call.id, Signal: uint8(sig)}, &wire.Empty{})
	return doing("signal", cmd.Args[0], err)
}
