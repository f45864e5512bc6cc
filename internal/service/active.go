package service

import (
	"context"
	"sync"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// active is the set of jobs that this process was asked to run and that have
// not ended. The zero active is ready.
type active struct {
	mu      sync.Mutex // guards below
	jobs    map[event.JobID]int
	changed chan struct{} // closed at the next change
	leaving bool
	waiters sync.WaitGroup
}

// errLeaving is the answer of a process that takes no more jobs.
var errLeaving = fault.New(fault.Unavailable, "the holder of the state folder is leaving").
	WithHint("run the command again")

// enter counts a job; it fails when the process is leaving.
func (a *active) enter(id event.JobID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.leaving {
		return errLeaving
	}
	if a.jobs == nil {
		a.jobs = make(map[event.JobID]int)
	}
	a.jobs[id]++
	a.wake()
	return nil
}

// exit takes back one enter, and reports whether it was the job's last.
func (a *active) exit(id event.JobID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.jobs[id]--
	last := a.jobs[id] <= 0
	if last {
		delete(a.jobs, id)
	}
	a.wake()
	return last
}

// wake tells those who wait; it needs a.mu.
func (a *active) wake() {
	if a.changed != nil {
		close(a.changed)
		a.changed = nil
	}
}

// look returns how many jobs there are, and what tells about the next change.
// With leave and none, the process is leaving from now on.
func (a *active) look(leave bool) (n int, changed <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.changed == nil {
		a.changed = make(chan struct{})
	}
	if leave && len(a.jobs) == 0 {
		a.leaving = true
	}
	return len(a.jobs), a.changed
}

// run starts a job by do, and counts it until it has ended.
func (j *Jobs) run(id event.JobID, do func() error) error {
	if err := j.active.enter(id); err != nil {
		return err
	}
	if err := do(); err != nil {
		j.active.exit(id)
		return err
	}
	j.active.waiters.Go(func() {
		_, _ = j.Engine.Wait(context.Background(), id) // ends with the job, or with the engine
		if j.active.exit(id) {
			j.Secrets.Forget(id)
		}
	})
	return nil
}

// Running is how many jobs this process was asked to run and that have not ended.
func (j *Jobs) Running() int {
	n, _ := j.active.look(false)
	return n
}

// Idle returns when there has been no such job for a while; from then on no
// job is taken any more. It fails when ctx ends.
func (j *Jobs) Idle(ctx context.Context, linger time.Duration) error {
	for {
		n, changed := j.active.look(linger == 0)
		if n == 0 && linger == 0 {
			return nil
		}
		left, err := quiet(ctx, n == 0, linger, changed)
		if err != nil {
			return err
		}
		if !left {
			continue
		}
		if n, _ := j.active.look(true); n == 0 {
			return nil
		}
	}
}

// quiet waits for a change. It reports whether there was none for a while,
// if it may give up at all.
func quiet(ctx context.Context, mayGiveUp bool, while time.Duration, changed <-chan struct{}) (bool, error) {
	var over <-chan time.Time
	if mayGiveUp {
		timer := time.NewTimer(while)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-changed:
		return false, nil
	case <-over:
		return true, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// Leave takes no more jobs.
func (j *Jobs) Leave() {
	j.active.mu.Lock()
	defer j.active.mu.Unlock()
	j.active.leaving = true
}

// Close waits for what watches over jobs; the engine must have stopped.
func (j *Jobs) Close() { j.active.waiters.Wait() }
