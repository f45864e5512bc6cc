package service

import (
	"context"
	"iter"

	"github.com/bulkhead-dev/bulkhead/event"
)

// page is how many events one read of the log brings.
const page = 500

// ends are the kinds after which nothing follows.
var ends = map[event.Kind]bool{
	event.JobCompleted: true,
	event.JobFailed:    true,
	event.JobCancelled: true,
}

// watch yields a job's events after a sequence number in order. With follow
// it goes on until the job is terminal or ctx ends; while nothing happens it
// reads nothing. It stops after the first error.
func watch(ctx context.Context, store Store, job event.JobID, after event.Seq, follow bool) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		changed, stop := store.Changed(job) // before the first read, so that no change is missed
		defer stop()

		for {
			events, err := store.Events(ctx, job, after, page)
			if err != nil {
				yield(event.Event{}, err)
				return
			}
			over := false
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
				after, over = e.Seq, over || ends[e.Kind]
			}

			if len(events) == page {
				continue
			}
			if !over && follow {
				over, err = ended(ctx, store, job, after)
			}
			if err != nil {
				yield(event.Event{}, err)
				return
			}
			if over || !follow {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				yield(event.Event{}, context.Cause(ctx))
				return
			}
		}
	}
}

// ended reports whether the job's history ended at or before a sequence
// number: then there is nothing to wait for.
func ended(ctx context.Context, store Store, job event.JobID, after event.Seq) (bool, error) {
	snap, err := store.Load(ctx, job)
	if err != nil {
		return false, err
	}
	return snap.Summary.Status.Terminal() && snap.Version <= after, nil
}
