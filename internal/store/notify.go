package store

import (
	"context"
	"sync"

	"github.com/bulkhead-dev/bulkhead/event"
)

// Notifier is a Driver that tells followers about changes, so that nobody
// needs to poll. It knows only of what is applied through it.
type Notifier struct {
	Driver

	mu   sync.Mutex // guards below
	subs map[event.JobID]map[chan struct{}]struct{}
}

// Notify wraps a driver.
func Notify(d Driver) *Notifier {
	return &Notifier{Driver: d, subs: make(map[event.JobID]map[chan struct{}]struct{})}
}

var _ Driver = (*Notifier)(nil)

// Unwrap returns the driver, for what only some drivers can do.
func (n *Notifier) Unwrap() Driver { return n.Driver }

// Apply applies and then, when the answers are known, wakes the followers of
// the jobs that changed.
func (n *Notifier) Apply(ctx context.Context, ts []event.Transition) ([]Applied, []error) {
	applied, errs := n.Driver.Apply(ctx, ts)
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.subs) == 0 {
		return applied, errs
	}
	for i := range ts {
		if errs[i] == nil && !applied[i].Repeat {
			n.wake(ts[i].Job)
			n.wake("")
		}
	}
	return applied, errs
}

// Changed returns a channel that receives after a change of a job was
// acknowledged; the empty job means any job. Changes that follow each other
// quickly may arrive as one. Subscribe first, then read, then wait: no change
// is missed. Stop ends the subscription; it may be called twice. The channel
// is never closed.
func (n *Notifier) Changed(job event.JobID) (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.subs[job] == nil {
		n.subs[job] = make(map[chan struct{}]struct{})
	}
	n.subs[job][c] = struct{}{}
	return c, func() { n.unsubscribe(job, c) }
}

func (n *Notifier) unsubscribe(job event.JobID, c chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.subs[job], c)
	if len(n.subs[job]) == 0 {
		delete(n.subs, job)
	}
}

// wake needs n.mu.
func (n *Notifier) wake(job event.JobID) {
	for c := range n.subs[job] {
		select {
		case c <- struct{}{}:
		default: // a wake-up is waiting already
		}
	}
}
