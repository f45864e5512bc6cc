package engine

import (
	"context"
	"io"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
)

// Runner turns one attempt into an outcome. It never fails: what goes wrong
// is an outcome with a cause. When ctx is cancelled it ends the attempt's
// whole process tree, waits until it is gone, and returns Cancelled or
// Released as context.Cause(ctx) says (ErrCancelled, ErrStopping).
type Runner interface {
	Run(ctx context.Context, w Work) event.Outcome
}

// Work is everything that a runner needs for one attempt.
type Work struct {
	Job        event.JobID
	JobName    string
	Graph      *bundle.Graph // read-only
	Node       *bundle.Node  // read-only
	Attempt    event.Attempt
	Message    event.Message // Body may be a blob reference
	State      []byte        // the node's state, JSON; nil: none yet
	Invocation int           // how many messages the node has handled before, plus one
	Grants     []byte        // what the operator granted for this job, opaque to the engine
}

// Blobs keeps bodies that are too large to travel inline.
type Blobs interface {
	PutBlob(ctx context.Context, mediaType string, r io.Reader) (event.BlobRef, error)
	Blob(ctx context.Context, ref event.BlobRef) (io.ReadCloser, error)
}
