// Package sandbox runs commands in compartments. It is the portable part:
// output limits, timeouts, cancellation and reports are here, once, above a
// Layer that puts up the walls.
package sandbox

import (
	"context"
	"io"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Manager runs commands in the layers that it was given. It is safe for
// concurrent use.
type Manager struct {
	layers map[policy.Layer]Layer
}

// New returns a manager over layers. Later ones of the same name win.
func New(layers ...Layer) *Manager {
	m := &Manager{layers: make(map[policy.Layer]Layer, len(layers))}
	for _, l := range layers {
		m.layers[l.Name()] = l
	}
	return m
}

// IO is where a command's streams go. The zero IO gives an empty stdin and
// keeps output in the Result.
type IO struct {
	Stdin  io.Reader // nil: empty
	Stdout io.Writer // nil: kept in Result.Stdout
	Stderr io.Writer // nil: kept in Result.Stderr
}

// Result is how a command ended. It is a value: an error of Run means that
// Bulkhead could not do its work.
type Result struct {
	ExitCode  int    // -1 when a signal ended it
	Signal    int    // 0: none
	TimedOut  bool   // the policy's wall time ended it
	Cancelled bool   // the context ended it
	Limit     string // the limit that ended it: memory, pids, output, …; empty: none
	Stdout    []byte // at most policy.Limits.Output bytes
	Stderr    []byte
	Truncated bool // more output came than the limit allows; the command was stopped
	Duration  time.Duration
	Layer     policy.Layer
	Report    event.Report
}

// Run runs one command and waits until its whole tree is gone. Cancelling ctx
// asks the tree to stop, and kills it after a grace period of two seconds.
//
// A command that fails, is killed or hits a limit is a Result. An error means
// that nothing ran: its kind is fault.Denied, fault.Unsupported (with the
// step that failed) or fault.Invalid.
func (m *Manager) Run(ctx context.Context, req Request, io IO) (Result, error) {
	panic("next commit")
}
