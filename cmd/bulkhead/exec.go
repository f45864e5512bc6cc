package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/daemon"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
	"github.com/bulkhead-dev/bulkhead/internal/service"
)

// The exit codes of exec beyond the command's own; see env(1) and timeout(1).
const (
	execTimedOut = 124
	execFailed   = 125 // Bulkhead itself, usage included
	execNotFound = 127
	execSignal   = 128 // plus the signal's number
)

// execErrors are the exit codes for errors of the commands that end like the
// command that they run: nothing ran.
var execErrors = map[string]func(error) int{
	"bulkhead exec":         execError,
	"bulkhead sandbox exec": func(error) int { return execFailed },
	"bulkhead shell":        func(error) int { return execFailed },
}

// execError is the exit code for an error of exec: nothing ran.
func execError(err error) int {
	if fault.KindOf(err) == fault.NotFound {
		return execNotFound
	}
	return execFailed
}

// exec runs one command in a sandbox.
func (p program) exec() *cobra.Command {
	var flags policyFlags
	var workdir string
	var quiet bool

	cmd := &cobra.Command{
		Use:   "exec [flags] -- CMD [ARG...]",
		Short: "Run a command in a sandbox",
		Long: `Run a command in a sandbox that may touch only what the policy grants.
Without flags that is nothing beyond running the system's own programs: no file
of yours, no network, nothing of your environment.

The exit code is the command's own; 124 when it ran out of time, 125 when
Bulkhead itself failed, 126 when the command cannot be run, 127 when it was not
found, 128 and the signal's number when a signal ended it.`,
		Example: `  bulkhead exec -- sh -c 'id; ls /; cat /etc/shadow'
  bulkhead exec --read ~/src -- grep -r TODO ~/src
  bulkhead exec --write ./out --memory 512M --timeout 1m -- python3 -c 'open("out/x", "w")'
  bulkhead exec --trace-denials --json -- ./untrusted | jq .denials`,
		Args: wantsCommand,
		RunE: func(cmd *cobra.Command, args []string) error {
			pol, err := flags.policy()
			if err != nil {
				return err
			}
			c := service.Command{Policy: pol, PolicyFile: flags.path(), Args: args, Dir: workdir}
			return p.runExec(cmd.Context(), c, wantsJSON(cmd), quiet)
		},
	}
	flags.bind(cmd)
	cmd.Flags().StringVar(&workdir, "workdir", "", "`DIR` inside the sandbox to start in (default: a private empty one)")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "do not print what was refused")
	cmd.Flags().SetInterspersed(false) // flags after the command are the command's
	return cmd
}

// runExec runs the command with our streams as its own, or with --json
// collects its output.
func (p program) runExec(ctx context.Context, c service.Command, asJSON, quiet bool) error {
	ctx, caught, stop := interruptible(ctx)
	defer stop()

	streams := sandbox.IO{Stdin: p.in}
	if !asJSON {
		streams.Stdout, streams.Stderr = p.out, p.err
	}
	sandboxes, err := daemon.Sandboxes(p.getenv)
	if err != nil {
		return err
	}
	defer sandboxes.Close()
	result, err := sandboxes.Exec(ctx, c, streams)
	if err != nil {
		return err
	}

	if asJSON {
		err = p.json(wire.ExecResult(result))
	} else if !quiet {
		p.printAfterExec(result)
	}
	if err != nil {
		return err
	}
	return exitOf(execCode(result, caught()))
}

// exitOf is the end of the program with a code; nil for 0.
func exitOf(code int) error {
	if code == 0 {
		return nil
	}
	return exitStatus(code)
}

// execCode is the exit code that says how a command ended. Caught is the
// signal that asked us to stop; 0 means none.
func execCode(r sandbox.Result, caught syscall.Signal) int {
	switch {
	case r.TimedOut:
		return execTimedOut
	case r.Cancelled && caught != 0:
		return execSignal + int(caught)
	case r.Signal != 0:
		return execSignal + r.Signal
	case r.ExitCode < 0: // stopped without a status: a limit of ours
		return execSignal + int(unix.SIGKILL)
	}
	return r.ExitCode
}

// printAfterExec says on stderr what the command's own output cannot know.
func (p program) printAfterExec(r sandbox.Result) {
	for _, d := range wire.Denials(r.Report.Denials) {
		p.complain("%s", denialLine(d))
	}
	for _, m := range r.Report.Missing {
		p.complain("not enforced: %s", oneLine(m))
	}
	switch {
	case r.TimedOut:
		p.complain("stopped: it ran out of time")
	case r.Limit != "":
		p.complain("stopped: it reached its %s limit", oneLine(r.Limit))
	}
}

// denialLine is one refusal: what, on what, by which wall, and what would
// allow it.
func denialLine(d *apiv1.Denial) string {
	line := "denied: " + d.GetOperation() + " " + d.GetObject() + " (" + d.GetStep() + ")"
	if d.GetCount() > 1 {
		line += times(int(d.GetCount()))
	}
	if d.GetGrant() != "" {
		line += "; grant: " + d.GetGrant()
	}
	return oneLine(line)
}

// interruptible ends the context at SIGINT, SIGTERM or SIGHUP. Caught tells
// which; 0 means none.
func interruptible(ctx context.Context) (_ context.Context, caught func() syscall.Signal, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)

	var got syscall.Signal
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case s := <-signals:
			got, _ = s.(syscall.Signal)
			cancel()
		case <-ctx.Done():
		}
	}()

	caught = func() syscall.Signal {
		cancel()
		<-done
		return got
	}
	return ctx, caught, func() {
		signal.Stop(signals)
		cancel()
		<-done
	}
}
