package live

import (
	"bytes"
	"context"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
)

// Do runs the command to its end, as sandbox.Manager.Run does for a sandbox
// of its own: streams that are nil are kept in the result, and how the command
// ends is a value. The report is the whole sandbox's.
func (c *Cmd) Do(ctx context.Context) (sandbox.Result, error) {
	var stdout, stderr bytes.Buffer
	if c.Stdout == nil {
		c.Stdout = &stdout
	}
	if c.Stderr == nil {
		c.Stderr = &stderr
	}
	started := time.Now()
	exit, err := c.Run(ctx)
	if err != nil && fault.KindOf(err) != fault.Failed { // a reader of ours that left is no concern of the command's
		return sandbox.Result{}, err
	}
	return sandbox.Result{
		ExitCode: exit.Code, Signal: int(exit.Signal), TimedOut: exit.TimedOut, Cancelled: exit.Cancelled,
		Limit: exit.Limit, Truncated: exit.Limit == "output",
		Stdout: stdout.Bytes(), Stderr: stderr.Bytes(),
		Duration: time.Since(started), Layer: c.s.layer, Report: c.s.Report(),
	}, nil
}
