package engine

import (
	"context"
	"errors"
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

	Folder       string // the bundle's folder on this host
	BundleDigest string // the bundle's digest when the job was submitted
}

// The reasons for which the engine cancels the context of Runner.Run; read
// them with context.Cause.
var (
	// ErrCancelled: the job ended or is being cancelled. The outcome has no effect.
	ErrCancelled = errors.New("the job ended")
	// ErrStopping: the engine stops or the job was paused. The attempt is
	// returned unfinished and not counted.
	ErrStopping = errors.New("the engine is stopping")
)

// Store is the part of a store that the engine uses. Its errors are those of
// a store driver: fault.Conflict when version or epoch does not match,
// fault.NotFound, fault.Corrupt, fault.Exhausted, fault.Unavailable.
// Implementations are safe for concurrent use.
type Store interface {
	// Apply makes transitions durable, each on its own; a command id that the
	// job has seen before changes nothing and returns the first answer.
	Apply(ctx context.Context, ts []event.Transition) ([]event.Applied, []error)
	// Load returns the folded state of a job.
	Load(ctx context.Context, job event.JobID) (event.Snapshot, error)
	// PutGraph keeps a graph under its digest; putting it twice is harmless.
	PutGraph(ctx context.Context, digest string, g bundle.Graph) error
	Graph(ctx context.Context, digest string) (bundle.Graph, error)
	Blobs
}

// Blobs keeps bodies that are too large to travel inline.
type Blobs interface {
	PutBlob(ctx context.Context, mediaType string, r io.Reader) (event.BlobRef, error)
	Blob(ctx context.Context, ref event.BlobRef) (io.ReadCloser, error)
}
