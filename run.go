package bulkhead

import (
	"context"
	"io"
	"syscall"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/service"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Result is how a command ended: a value, whatever the command did.
type Result struct {
	ExitCode  int            // 0 to 255; 127 not found, 126 not runnable; -1 when a signal ended it
	Signal    syscall.Signal // 0: none
	TimedOut  bool           // its time was up
	Cancelled bool           // the context ended it
	Limit     string         // the limit that ended it: memory, output, …; empty: none
	Stdout    []byte         // what was kept; see IO
	Stderr    []byte
	Duration  time.Duration
	UserTime  time.Duration // of a Cmd; else 0
	SysTime   time.Duration // of a Cmd; else 0
	MaxRSS    int64         // bytes, of a Cmd; else 0
	Report    event.Report  // what was enforced and what was refused; of a Cmd: by its whole sandbox
}

// Success reports whether the command ended by itself with 0.
func (r *Result) Success() bool {
	return r.ExitCode == 0 && !r.TimedOut && !r.Cancelled && r.Limit == ""
}

// IO is where the streams of a command go.
type IO struct {
	Stdin  io.Reader // nil: empty
	Stdout io.Writer // nil: kept in Result.Stdout
	Stderr io.Writer // nil: kept in Result.Stderr
}

// Run runs one command in a sandbox of its own, with an empty stdin, and keeps
// its output. When ctx ends the command is asked to stop, and killed two
// seconds later.
//
// However the command ends is a Result. An error means that nothing ran; see
// KindOf for what sort it is.
func (r *Runtime) Run(ctx context.Context, p policy.Policy, args ...string) (*Result, error) {
	return r.RunIO(ctx, p, IO{}, args...)
}

// RunIO is Run with streams.
func (r *Runtime) RunIO(ctx context.Context, p policy.Policy, streams IO, args ...string) (*Result, error) {
	res, err := r.sandboxes.Exec(ctx, service.Command{Policy: p, Args: args}, sandbox.IO(streams))
	if err != nil {
		return nil, err
	}
	return &Result{
		ExitCode: res.ExitCode, Signal: syscall.Signal(res.Signal), TimedOut: res.TimedOut, Cancelled: res.Cancelled,
		Limit: res.Limit, Stdout: res.Stdout, Stderr: res.Stderr, Duration: res.Duration, Report: res.Report,
	}, nil
}
