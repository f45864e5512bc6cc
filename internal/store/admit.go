package store

import (
	"context"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// RememberedCommands is how many of a job's last command ids a driver
// remembers with their answers.
const RememberedCommands = 64

// Admit is the compare of compare-and-set: it says whether a transition may
// follow on a job's version and epoch. Version 0 means that the job does not
// exist. A repeat must be recognised before, by its command id.
func Admit(version event.Seq, epoch event.Epoch, t *event.Transition) error {
	switch {
	case version == 0 && t.IfVersion > 0:
		return NoJob(t.Job)
	case t.Epoch < epoch:
		return fault.Newf(fault.Conflict, "job %s: epoch %d is over, %d has begun", t.Job, t.Epoch, epoch)
	case t.IfVersion != version && t.IfVersion == 0:
		return fault.Newf(fault.Conflict, "job %s exists already, at version %d", t.Job, version)
	case t.IfVersion != version:
		return fault.Newf(fault.Conflict, "job %s: decided on version %d, it is at %d", t.Job, t.IfVersion, version)
	}
	return nil
}

// NoJob is the error for an unknown job.
func NoJob(id event.JobID) error {
	return fault.Newf(fault.NotFound, "no job %q", trim(string(id)))
}

// NoGraph is the error for an unknown graph.
func NoGraph(digest string) error {
	return fault.Newf(fault.NotFound, "no graph %q", trim(digest))
}

// NoBlob is the error for an unknown blob.
func NoBlob(digest string) error {
	return fault.Newf(fault.NotFound, "no blob %q", trim(digest))
}

// ErrClosed is the error of every call after Close.
var ErrClosed = fault.New(fault.Unavailable, "the store is closed")

// OtherGraph is the error for a graph that differs from the one kept under
// the same digest.
func OtherGraph(digest string) error {
	return fault.Newf(fault.Exists, "graph %q: another one is kept under this digest", trim(digest))
}

// Alive returns fault.Cancelled when ctx is done, before anything was changed.
func Alive(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return fault.Newf(fault.Cancelled, "store call: %w", context.Cause(ctx))
}
