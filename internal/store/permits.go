package store

import (
	"context"

	"github.com/bulkhead-dev/bulkhead/event"
)

// PermitReader is implemented by drivers that can say who holds a
// concurrency key, over all jobs, ordered by holder.
type PermitReader interface {
	Permits(ctx context.Context, key string) ([]event.Permit, error)
}

// Verifier is implemented by drivers that can read everything that they keep
// and say which jobs are damaged. A damaged job is quarantined from then on.
type Verifier interface {
	Verify(ctx context.Context) ([]Quarantined, error)
}
