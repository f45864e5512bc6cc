package main

import (
	"context"
	"errors"
	"io"
	"os"
	"regexp"
	"sync"
	"time"

	"github.com/spf13/cobra"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/daemon"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/live"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
	"github.com/bulkhead-dev/bulkhead/internal/service"
)

// shellScript starts the best shell that the sandbox has.
const shellScript = `if command -v bash >/dev/null 2>&1
then PS1="[$BULKHEAD_NAME] \\w \\$ " exec bash --norc -i
else PS1="[$BULKHEAD_NAME] $ " exec sh -i
fi`

// shell opens a terminal in a sandbox.
func (p program) shell() *cobra.Command {
	var flags sandboxFlags
	var raw bool
	cmd := &cobra.Command{
		Use:   "shell [flags] [NAME] [-- CMD [ARG...]]",
		Short: "Open a shell on a terminal in a sandbox",
		Long: `Open a shell, or CMD, on a terminal in a sandbox: in the one called NAME, or without
a name in a new one of its own, which ends with the shell and may touch only what
the flags grant.

What programs in the sandbox print goes to your own terminal, escape sequences
included: colours, cursor, titles, the alternate screen. Sequences that reach
further are dropped: those that write or read the clipboard (OSC 52), that make
your terminal answer as if you had typed, that print, and that move files. With
--raw all of them pass; do that only with programs that you trust. However it
ends, your terminal is set back.

The exit code is the shell's, as with 'bulkhead exec'.`,
		Example: `  bulkhead shell
  bulkhead shell --write ./project --memory 2G
  bulkhead shell box
  bulkhead shell box -- vi notes`,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, command, err := shellArgs(cmd, args)
			if err != nil {
				return err
			}
			return p.runShell(cmd, name, command, &flags, raw)
		},
		ValidArgsFunction: p.completeSandbox,
	}
	flags.bind(cmd)
	cmd.Flags().BoolVar(&raw, "raw", false, "pass every escape sequence on to your terminal")
	return cmd
}

// shellArgs tells the name from the command.
func shellArgs(cmd *cobra.Command, args []string) (name string, command []string, err error) {
	before := args
	if at := cmd.ArgsLenAtDash(); at >= 0 {
		before, command = args[:at], args[at:]
	}
	if len(before) > 1 {
		return "", nil, fault.Newf(fault.Invalid, "%s does not want %q", cmd.CommandPath(), before[1]).
			WithHint("a command follows after --: %s %s -- %s", cmd.CommandPath(), before[0], before[1])
	}
	if len(before) == 1 {
		name = before[0]
	}
	if len(command) == 0 {
		command = []string{"sh", "-c", shellScript}
	}
	return name, command, nil
}

// runShell connects the user's terminal with one in a sandbox.
func (p program) runShell(cmd *cobra.Command, name string, command []string, flags *sandboxFlags, raw bool) error {
	t, err := p.userTerminal()
	if err != nil {
		return err
	}
	env := map[string]string{"BULKHEAD_NAME": "sandbox"}
	if name != "" {
		env["BULKHEAD_NAME"] = name
	}
	if kind := p.getenv("TERM"); terminalKind.MatchString(kind) {
		env["TERM"] = kind
	}
	start := &apiv1.SandboxStart{Name: name, Args: command, Env: env, Terminal: t.size()}
	var s shellSession
	if name == "" {
		s, err = p.ownShell(cmd.Context(), flags, start)
	} else {
		s, err = p.namedShell(cmd, start)
	}
	if err != nil {
		return err
	}
	result, err := t.connect(cmd.Context(), s, raw)
	err = errors.Join(err, s.Close())
	if err != nil {
		return err
	}
	p.printAfterRemote(result)
	return exitOf(resultCode(result))
}

// terminalKind is what a TERM may look like.
var terminalKind = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$`)

// shellSession is a command on a terminal in a sandbox.
type shellSession interface {
	io.ReadWriter // what is printed, and what is typed
	Resize(size *apiv1.TerminalSize) error
	// Wait returns how it ended. It is called once, when Read has ended.
	Wait() (*apiv1.ExecResult, error)
	// Close ends it, whatever it does.
	Close() error
}

// ownShell starts a command in a new sandbox of this process.
func (p program) ownShell(ctx context.Context, flags *sandboxFlags, start *apiv1.SandboxStart) (shellSession, error) {
	pol, err := flags.policy()
	if err != nil {
		return nil, err
	}
	workspace, err := absoluteFolder(flags.workspace)
	if err != nil {
		return nil, err
	}
	sandboxes, err := daemon.Sandboxes(p.getenv)
	if err != nil {
		return nil, err
	}
	s, err := sandboxes.Open(ctx, service.Opening{Policy: pol, PolicyFile: flags.path(), Workspace: workspace})
	if err != nil {
		return nil, errors.Join(err, sandboxes.Close())
	}
	own := &ownSession{box: s, sandboxes: sandboxes, read: make(chan struct{}), ended: make(chan struct{})}
	if err := own.start(ctx, start); err != nil {
		return nil, errors.Join(err, own.Close())
	}
	return own, nil
}

// ownSession is a shell in a sandbox of this process.
type ownSession struct {
	box       *live.Sandbox
	sandboxes *service.Sandboxes
	cmd       *live.Cmd
	read      chan struct{} // closed when all that was printed has been read
	once      sync.Once     // of read
	ended     chan struct{}
	exit      live.Exit
	err       error
	began     time.Time
}

func (s *ownSession) start(ctx context.Context, start *apiv1.SandboxStart) error {
	s.cmd = s.box.Command(start.GetArgs()...)
	s.cmd.Env = start.GetEnv()
	s.cmd.Terminal = new(wire.Size(start.GetTerminal()))
	s.began = time.Now()
	if err := s.cmd.Start(ctx); err != nil {
		return err
	}
	go func() {
		defer close(s.ended)
		s.exit, s.err = s.cmd.Wait()
		select {
		case <-s.read:
		case <-time.After(lastWords):
		}
		if tty := s.cmd.TTY(); tty != nil {
			_ = tty.Close()
		}
	}()
	return nil
}

// lastWords is how long what a shell has printed may take to be read when it
// has ended and others hold its terminal open.
const lastWords = 200 * time.Millisecond

func (s *ownSession) Read(p []byte) (int, error) {
	n, err := 0, io.EOF
	if tty := s.cmd.TTY(); tty != nil {
		n, err = tty.Read(p)
	}
	if err != nil {
		s.once.Do(func() { close(s.read) })
		err = io.EOF // closed by us, or by all who had it open
	}
	return n, err
}

func (s *ownSession) Write(p []byte) (int, error) {
	if tty := s.cmd.TTY(); tty != nil {
		return tty.Write(p)
	}
	return len(p), nil
}

func (s *ownSession) Resize(size *apiv1.TerminalSize) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return s.cmd.Resize(ctx, guest.Size(wire.Size(size)))
}

func (s *ownSession) Wait() (*apiv1.ExecResult, error) {
	<-s.ended
	if s.err != nil {
		return nil, s.err
	}
	return wire.CommandResult(s.box, s.exit, time.Since(s.began)), nil
}

func (s *ownSession) Close() error {
	return errors.Join(s.box.Kill(), s.sandboxes.Close())
}

// namedShell starts a command in a named sandbox.
func (p program) namedShell(cmd *cobra.Command, start *apiv1.SandboxStart) (shellSession, error) {
	for _, f := range []string{"policy", "layer", "read", "write", "env", "pass-env", "memory", "timeout", "syscalls", "best-effort", "trace-denials", "workspace"} {
		if cmd.Flags().Changed(f) {
			return nil, fault.Newf(fault.Invalid, "--%s cannot change the sandbox %s, which is there already", f, start.GetName())
		}
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	k, err := p.kept(ctx, false)
	if errors.Is(err, daemon.ErrNoKeeper) {
		err = noSandbox(start.GetName())
	}
	if err != nil {
		cancel()
		return nil, err
	}
	s := &namedSession{k: k, cancel: cancel, stream: k.ExecInSandbox(ctx)}
	if err := s.stream.Send(&apiv1.SandboxInput{Start: start}); err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(wire.FromConnect(err), s.Close())
	}
	if _, err := s.stream.Receive(); err != nil { // it has started
		return nil, errors.Join(wire.FromConnect(err), s.Close())
	}
	return s, nil
}

// namedSession is a shell in a named sandbox.
type namedSession struct {
	k      *daemon.Kept
	cancel context.CancelFunc
	mu     sync.Mutex // one sender at a time
	stream execStream
	rest   []byte // printed, and not read yet
	result *apiv1.ExecResult
	err    error
}

func (s *namedSession) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.result != nil || s.err != nil {
			return 0, io.EOF
		}
		out, err := s.stream.Receive()
		if err != nil {
			s.err = wire.FromConnect(err)
			continue
		}
		s.rest, s.result = out.GetStdout(), out.GetResult()
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *namedSession) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.stream.Send(&apiv1.SandboxInput{Data: p}); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (s *namedSession) Resize(size *apiv1.TerminalSize) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stream.Send(&apiv1.SandboxInput{Resize: size})
}

func (s *namedSession) Wait() (*apiv1.ExecResult, error) { return s.result, s.err }

func (s *namedSession) Close() error {
	s.cancel()
	_ = s.stream.CloseRequest() // HTTP/2 looks at the context only then
	_ = s.stream.CloseResponse()
	return s.k.Close()
}

// userTerminal is the terminal that this command runs on.
func (p program) userTerminal() (*userTerminal, error) {
	in, out := terminal(p.in), terminal(p.out)
	if in == nil || out == nil {
		return nil, fault.New(fault.Invalid, "a shell needs a terminal, and stdin or stdout is none").
			WithHint("to run a command without one: bulkhead exec, or bulkhead sandbox exec")
	}
	return &userTerminal{in: in, out: out}, nil
}

// userTerminal is both ends of a terminal.
type userTerminal struct{ in, out *os.File }
