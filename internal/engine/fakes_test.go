package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"sync"
	"sync/atomic"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// memory is a store that outlives the engines of a test.
type memory struct {
	mu     sync.Mutex // guards below
	jobs   map[event.JobID]*record
	graphs map[string]bundle.Graph
	blobs  map[string][]byte
}

// record is a job in memory.
type record struct {
	snap     event.Snapshot
	events   []event.Event
	timers   map[string]event.Timer
	commands map[event.CommandID]event.Applied
}

func newMemory() *memory {
	return &memory{jobs: map[event.JobID]*record{}, graphs: map[string]bundle.Graph{}, blobs: map[string][]byte{}}
}

// apply is the compare-and-set of one transition.
func (m *memory) apply(t event.Transition) (event.Applied, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.jobs[t.Job]
	if r == nil {
		r = &record{timers: map[string]event.Timer{}, commands: map[event.CommandID]event.Applied{}}
	}
	if a, ok := r.commands[t.Command]; ok {
		a.Repeat = true
		return a, nil
	}
	if t.IfVersion != r.snap.Version || t.Epoch < r.snap.Epoch {
		return event.Applied{}, fault.New(fault.Conflict, "somebody was faster")
	}

	m.jobs[t.Job] = r
	r.events = append(r.events, t.Events...)
	r.snap = event.Snapshot{Summary: t.Summary, State: bytes.Clone(t.State), Version: event.Seq(len(r.events)), Epoch: t.Epoch}
	for _, key := range t.Drop {
		delete(r.timers, key)
	}
	for _, timer := range t.Put {
		r.timers[timer.Key] = timer
	}
	a := event.Applied{Version: r.snap.Version}
	if len(r.commands) > 2 { // a store remembers only the latest ones
		clear(r.commands)
	}
	r.commands[t.Command] = a
	return a, nil
}

// history returns the events of a job.
func (m *memory) history(job event.JobID) []event.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.jobs[job]; r != nil {
		return append([]event.Event(nil), r.events...)
	}
	return nil
}

// handle is one process's connection to a memory; faults happen here.
type handle struct {
	*memory
	before hook // asked before each Apply: an error prevents it
	after  hook // asked after each Apply: an error hides its answer
}

// hook is a function that may be changed while it is used; unset it does nothing.
type hook struct{ f atomic.Pointer[func() error] }

func (h *hook) set(f func() error) { h.f.Store(&f) }

func (h *hook) call() error {
	if f := h.f.Load(); f != nil {
		return (*f)()
	}
	return nil
}

// errDown is what a broken store answers.
var errDown = fault.New(fault.Unavailable, "the store is down")

// nothing is a hook that does nothing.
func nothing() error { return nil }

func newHandle(m *memory) *handle { return &handle{memory: m} }

func (h *handle) Apply(_ context.Context, ts []event.Transition) ([]event.Applied, []error) {
	applied, errs := make([]event.Applied, len(ts)), make([]error, len(ts))
	for i, t := range ts {
		if errs[i] = h.before.call(); errs[i] != nil {
			continue
		}
		applied[i], errs[i] = h.apply(t)
		if err := h.after.call(); err != nil {
			applied[i], errs[i] = event.Applied{}, err
		}
	}
	return applied, errs
}

func (h *handle) Load(_ context.Context, job event.JobID) (event.Snapshot, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.jobs[job]
	if r == nil {
		return event.Snapshot{}, fault.Newf(fault.NotFound, "there is no job %s", job)
	}
	return r.snap, nil
}

func (h *handle) PutGraph(_ context.Context, digest string, g bundle.Graph) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.graphs[digest] = g
	return nil
}

func (h *handle) Graph(_ context.Context, digest string) (bundle.Graph, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g, ok := h.graphs[digest]
	if !ok {
		return g, fault.New(fault.NotFound, "there is no such graph")
	}
	return g, nil
}

func (h *handle) PutBlob(_ context.Context, mediaType string, r io.Reader) (event.BlobRef, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return event.BlobRef{}, err
	}
	sum := sha256.Sum256(raw)
	ref := event.BlobRef{Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(raw)), Type: mediaType}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.blobs[ref.Digest] = raw
	return ref, nil
}

func (h *handle) Blob(_ context.Context, ref event.BlobRef) (io.ReadCloser, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	raw, ok := h.blobs[ref.Digest]
	if !ok {
		return nil, fault.New(fault.NotFound, "there is no such blob")
	}
	return io.NopCloser(bytes.NewReader(raw)), nil
}

// runnerFunc is a runner made of a function.
type runnerFunc func(ctx context.Context, w Work) event.Outcome

func (f runnerFunc) Run(ctx context.Context, w Work) event.Outcome { return f(ctx, w) }

// ended is the outcome of an attempt whose context was cancelled.
func ended(ctx context.Context) event.Outcome {
	if context.Cause(ctx) == ErrCancelled {
		return event.Outcome{Status: event.Cancelled}
	}
	return event.Outcome{Status: event.Released, Reason: context.Cause(ctx).Error()}
}

// says is a successful outcome with an output.
func says(raw string) event.Outcome {
	return event.Outcome{Status: event.Succeeded, Output: event.Body{Inline: json.RawMessage(raw)}}
}
