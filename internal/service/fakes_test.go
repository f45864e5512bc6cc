package service

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/engine"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/store"
	"github.com/bulkhead-dev/bulkhead/internal/store/mem"
)

// countingStore counts what is read of a store.
type countingStore struct {
	*store.Notifier
	reads atomic.Int64
}

func newStore(t *testing.T) *countingStore {
	t.Helper()
	s := &countingStore{Notifier: store.Notify(mem.Open())}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (s *countingStore) Events(ctx context.Context, job event.JobID, after event.Seq, max int) ([]event.Event, error) {
	s.reads.Add(1)
	return s.Notifier.Events(ctx, job, after, max)
}

func (s *countingStore) Load(ctx context.Context, job event.JobID) (event.Snapshot, error) {
	s.reads.Add(1)
	return s.Notifier.Load(ctx, job)
}

// add appends events to a job and sets its status.
func (s *countingStore) add(t *testing.T, job event.JobID, status event.JobStatus, events ...event.Event) {
	t.Helper()
	var version event.Seq
	if snap, err := s.Notifier.Load(t.Context(), job); err == nil {
		version = snap.Version
	}
	tr := event.Transition{
		Job: job, IfVersion: version, Epoch: 1, Events: events, State: json.RawMessage("{}"),
		Command: event.CommandID{byte(version), byte(version >> 8), 1},
		Summary: event.Summary{Job: job, Name: "n", Status: status, Version: version + event.Seq(len(events)), Epoch: 1},
	}
	for i := range tr.Events {
		tr.Events[i].V, tr.Events[i].Job, tr.Events[i].Seq = event.Version, job, version+event.Seq(i)+1
	}
	if _, errs := s.Apply(t.Context(), []event.Transition{tr}); errs[0] != nil {
		t.Fatal(errs[0])
	}
}

// fakeEngine holds jobs until end is called.
type fakeEngine struct {
	mu        sync.Mutex // guards below
	jobs      map[event.JobID]chan struct{}
	submitted []engine.Submission
	fail      error // of Submit and Resume
}

func newEngine() *fakeEngine { return &fakeEngine{jobs: make(map[event.JobID]chan struct{})} }

func (e *fakeEngine) Submit(_ context.Context, sub engine.Submission) (event.Summary, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fail != nil {
		return event.Summary{}, e.fail
	}
	e.submitted = append(e.submitted, sub)
	e.jobs[sub.JobID] = make(chan struct{})
	return event.Summary{Job: sub.JobID}, nil
}

func (e *fakeEngine) Resume(_ context.Context, id event.JobID) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fail != nil {
		return e.fail
	}
	if e.jobs[id] == nil {
		e.jobs[id] = make(chan struct{})
	}
	return nil
}

func (e *fakeEngine) Wait(ctx context.Context, id event.JobID) (event.Summary, error) {
	e.mu.Lock()
	gone := e.jobs[id]
	e.mu.Unlock()
	select {
	case <-gone:
		return event.Summary{Job: id}, nil
	case <-ctx.Done():
		return event.Summary{}, context.Cause(ctx)
	}
}

func (e *fakeEngine) end(id event.JobID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.jobs[id])
}

func (e *fakeEngine) Job(_ context.Context, id event.JobID) (engine.Job, error) {
	if id == "missing" {
		return engine.Job{}, fault.New(fault.NotFound, "no job")
	}
	return engine.Job{Summary: event.Summary{Job: id, Status: event.JobStateCompleted}}, nil
}

func (e *fakeEngine) Cancel(context.Context, event.JobID, string) error { return nil }
func (e *fakeEngine) Pause(context.Context, event.JobID, bool) error    { return nil }
