// Package store keeps jobs: their events, their folded state, and the blobs
// they refer to. The portable part is here; drivers (pebble, mem, later
// redis) implement Driver and pass storetest.
package store

import (
	"context"
	"io"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
)

// Driver is where jobs are kept. Implementations are safe for concurrent use.
//
// Errors: fault.Conflict when IfVersion or Epoch does not match, fault.NotFound
// for an unknown job, graph or blob, fault.Corrupt when stored bytes fail their
// checksum (that job is quarantined, others go on), fault.Exhausted when the
// disk is full (reads still work), fault.Unavailable after Close.
type Driver interface {
	// Apply makes a batch of transitions durable. Each is atomic and
	// independent of the others: errs[i] belongs to ts[i]. When Apply returns,
	// every transition without an error survives a crash. A command id seen
	// before for that job returns the first answer and changes nothing.
	// Transitions of one job in one batch are applied in order.
	Apply(ctx context.Context, ts []event.Transition) (applied []Applied, errs []error)

	// Load returns the folded state of a job with its version.
	Load(ctx context.Context, job event.JobID) (Snapshot, error)

	// Events returns at most max events of a job after a sequence number, in
	// order; max 0 means 100.
	Events(ctx context.Context, job event.JobID, after event.Seq, max int) ([]event.Event, error)

	// List returns jobs newest first; see Query.
	List(ctx context.Context, q Query) (Page, error)

	// Due returns at most max timers that are due at or before q, soonest first.
	Due(ctx context.Context, q DueQuery) ([]DueTimer, error)

	// PutGraph keeps a graph under its digest; putting it twice is harmless,
	// another one under the same digest is fault.Exists.
	PutGraph(ctx context.Context, digest string, g bundle.Graph) error
	Graph(ctx context.Context, digest string) (bundle.Graph, error)

	// PutBlob keeps bytes under their own digest, durable when it returns.
	PutBlob(ctx context.Context, mediaType string, r io.Reader) (event.BlobRef, error)
	// Blob opens kept bytes; the reader fails with fault.Corrupt at the end
	// when they do not match the digest.
	Blob(ctx context.Context, ref event.BlobRef) (io.ReadCloser, error)

	// Info says honestly what an acknowledgement is worth.
	Info(ctx context.Context) (Info, error)

	// Close flushes and releases everything. It may be called twice.
	Close() error
}

// The answers of a store are nouns of history; these are their names here.
type (
	// Applied is the answer to a transition.
	Applied = event.Applied
	// Snapshot is the folded state of a job.
	Snapshot = event.Snapshot
	// DueQuery selects timers.
	DueQuery = event.DueQuery
	// DueTimer is a timer with its job.
	DueTimer = event.DueTimer
)

// Query selects jobs for a listing. The zero Query is the first 100.
type Query struct {
	Status []event.JobStatus // empty: all
	Max    int               // 0: 100; at most 1000
	After  string            // cursor from a Page; empty: from the start
}

// Page is a part of a listing.
type Page struct {
	Jobs        []event.Summary
	Next        string        // cursor; empty: that was all
	Quarantined []Quarantined // jobs whose records fail their checksum
}

// Quarantined is a job that cannot be read.
type Quarantined struct {
	Job    event.JobID
	Reason string
}

// Info describes a store.
type Info struct {
	Driver     string // pebble, mem, redis
	Durability string // "fsync": survives power loss; "process": lost with the process; …
	Path       string
	Bytes      int64
	ReadOnly   string // why it takes no writes; empty: it does
	Syncs      int64  // fsyncs so far
}
