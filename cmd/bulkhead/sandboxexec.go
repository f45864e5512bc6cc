package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/daemon"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// sandboxExec runs a command in a named sandbox.
func (p program) sandboxExec() *cobra.Command {
	start := new(apiv1.SandboxStart)
	var env []string
	var timeout time.Duration
	cmd := p.ofSandbox(&cobra.Command{
		Use:   "exec [flags] NAME -- CMD [ARG...]",
		Short: "Run a command in a sandbox that stays",
		Long: `Run a command in a sandbox that stays, with this command's streams as its own. The
exit code is as with 'bulkhead exec'; when there is no such sandbox it is 125.

SIGINT, SIGTERM and SIGHUP are passed on to the command; the second one ends it.
A process that outlives its command stays in the sandbox; while it holds the
command's output open, this command waits: redirect the output, or use --detach.`,
		Example: `  bulkhead sandbox exec box -- python3 -c 'print(6 * 7)'
  tar c . | bulkhead sandbox exec box -- tar x
  bulkhead sandbox exec --detach box -- python3 -m http.server`,
		Args: wantsNameAndCommand,
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if start.Env, err = addEnv(nil, env); err != nil {
				return err
			}
			if timeout < 0 {
				return fault.Newf(fault.Invalid, "--timeout %s is negative", timeout)
			}
			start.Name, start.Args, start.TimeoutMs = args[0], commandOf(args), wire.Millis(timeout)
			return p.runInSandbox(cmd, start)
		},
	})
	flags := cmd.Flags()
	flags.StringArrayVar(&env, "env", nil, "environment variable as `NAME=VALUE`; may be repeated")
	flags.StringVar(&start.Dir, "workdir", "", "`DIR` inside the sandbox to start in (default: its work folder)")
	flags.DurationVar(&timeout, "timeout", 0, "stop it after this `TIME`, such as 30s or 5m (default: the policy's)")
	flags.BoolVar(&start.Strict, "strict", false, "narrow its system calls to the profile strict")
	flags.BoolVar(&start.Detach, "detach", false, "return when it has started; its output goes to the logs")
	flags.SetInterspersed(false)
	return cmd
}

// wantsNameAndCommand checks for a sandbox and a command.
func wantsNameAndCommand(cmd *cobra.Command, args []string) error {
	if len(args) > 1 && args[1] != "--" && strings.HasPrefix(args[1], "-") {
		return fault.Newf(fault.Invalid, "%s takes %s for the command", cmd.CommandPath(), args[1]).
			WithHint("flags of Bulkhead come before NAME")
	}
	if len(commandOf(args)) == 0 || args[0] == "" {
		return fault.Newf(fault.Invalid, "%s wants NAME and a command", cmd.CommandPath()).
			WithHint("for example: %s box -- ls /", cmd.CommandPath())
	}
	return nil
}

// commandOf is what follows NAME, with or without -- in between.
func commandOf(args []string) []string {
	if len(args) > 1 && args[1] == "--" {
		return args[2:]
	}
	return args[min(1, len(args)):]
}

// runInSandbox runs a command and ends as it does.
func (p program) runInSandbox(cmd *cobra.Command, start *apiv1.SandboxStart) error {
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	k, err := p.kept(ctx, false)
	if errors.Is(err, daemon.ErrNoKeeper) {
		return noSandbox(start.GetName())
	}
	if err != nil {
		return err
	}
	defer k.Close()
	asJSON := wantsJSON(cmd)
	if asJSON {
		start.OutputBytes = float64(policy.Defaults().Output)
	}
	r := &remoteCommand{k: k, start: start, stdin: p.in, stdout: p.out, stderr: p.err}
	var stdout, stderr bytes.Buffer
	if asJSON {
		r.stdout, r.stderr = &stdout, &stderr
	}
	defer r.passSignals(ctx, cancel)()
	result, err := r.run(ctx)
	if err != nil {
		return wire.FromConnect(err)
	}
	if result == nil { // it has started
		return p.tellStarted(asJSON, r.number)
	}
	if asJSON {
		result.Stdout, result.StdoutBase64 = wire.Text(stdout.Bytes())
		said := append(wire.FromText(result.GetStderr(), result.GetStderrBase64()), stderr.Bytes()...)
		result.Stderr, result.StderrBase64 = wire.Text(said)
		err = p.json(result)
	} else {
		p.printAfterRemote(result)
	}
	if err != nil {
		return err
	}
	return exitOf(resultCode(result))
}

// tellStarted says that a command runs without us.
func (p program) tellStarted(asJSON bool, number int32) error {
	if asJSON {
		return p.json(&apiv1.SandboxOutput{Exec: number})
	}
	return p.say("command %d has started", number)
}

// printAfterRemote says on stderr what the command's own output cannot know.
func (p program) printAfterRemote(r *apiv1.ExecResult) {
	if text := wire.FromText(r.GetStderr(), r.GetStderrBase64()); len(text) > 0 { // it could not be run
		p.complain("%s", text)
	}
	switch {
	case r.GetTimedOut():
		p.complain("stopped: it ran out of time")
	case r.GetLimit() != "":
		p.complain("stopped: it reached its %s limit", oneLine(r.GetLimit()))
	}
}

// resultCode is the exit code that says how a command ended.
func resultCode(r *apiv1.ExecResult) int {
	switch {
	case r.GetTimedOut():
		return execTimedOut
	case r.GetSignal() != "":
		return execSignal + int(unix.SignalNum(r.GetSignal()))
	case r.GetExitCode() < 0:
		return execSignal + int(unix.SIGKILL)
	}
	return int(r.GetExitCode())
}

// remoteCommand is a command of a named sandbox with streams of ours.
type remoteCommand struct {
	k              *daemon.Kept
	start          *apiv1.SandboxStart
	stdin          io.Reader
	stdout, stderr io.Writer

	stream  *connect.BidiStreamForClient[apiv1.SandboxInput, apiv1.SandboxOutput]
	number  int32
	started chan struct{} // closed when number is known
}

// run runs the command. The result is nil when it goes on without us.
func (r *remoteCommand) run(ctx context.Context) (*apiv1.ExecResult, error) {
	r.stream = r.k.ExecInSandbox(ctx)
	defer r.stream.CloseResponse()
	// HTTP/2 looks at the context only when nothing more is to be sent.
	defer context.AfterFunc(ctx, func() { _ = r.stream.CloseRequest() })()
	if err := r.stream.Send(&apiv1.SandboxInput{Start: r.start}); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if r.start.GetDetach() {
		_ = r.stream.CloseRequest()
	} else {
		go r.feed() // a read from a terminal cannot be interrupted, so nobody waits for it
	}
	for {
		out, err := r.stream.Receive()
		if errors.Is(err, io.EOF) && r.start.GetDetach() {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if out.GetResult() != nil {
			return out.GetResult(), nil
		}
		if err := r.take(out); err != nil {
			return nil, err
		}
	}
}

// take takes a piece of output. A reader of ours that left ends the command.
func (r *remoteCommand) take(out *apiv1.SandboxOutput) error {
	if n := out.GetExec(); n != 0 {
		r.number = n
		close(r.started)
	}
	if _, err := r.stdout.Write(out.GetStdout()); err != nil {
		return err
	}
	_, err := r.stderr.Write(out.GetStderr())
	return err
}

// feed sends our stdin.
func (r *remoteCommand) feed() {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.stdin.Read(buf)
		if n > 0 && r.stream.Send(&apiv1.SandboxInput{Data: buf[:n]}) != nil {
			return
		}
		if err != nil {
			_ = r.stream.CloseRequest()
			return
		}
	}
}

// passSignals passes signals of ours on to the command; the second one cuts it
// off, which ends it. The function that it returns ends this.
func (r *remoteCommand) passSignals(ctx context.Context, cut func()) (stop func()) {
	r.started = make(chan struct{})
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case s := <-signals:
				if n > 0 || !r.signal(ctx, s) {
					cut()
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		cancel()
		<-done
	}
}

// signal sends a signal to the command, and reports whether it could.
func (r *remoteCommand) signal(ctx context.Context, s os.Signal) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	select {
	case <-r.started:
	case <-ctx.Done():
		return false
	}
	number, _ := s.(syscall.Signal)
	_, err := r.k.SignalInSandbox(ctx, connect.NewRequest(&apiv1.SignalInSandboxRequest{Name: r.start.GetName(), Exec: r.number, Signal: int32(number)}))
	return err == nil
}
