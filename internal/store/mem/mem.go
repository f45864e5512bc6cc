// Package mem keeps jobs in memory: the reference that the other drivers are
// compared with, and the store of tests and throw-away runs.
package mem

import (
	"context"
	"slices"
	"sync"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/store"
)

// Store is a store.Driver that lives as long as the process.
type Store struct {
	mu      sync.RWMutex // guards below
	closed  bool
	jobs    map[event.JobID]*job
	permits map[string]map[string]event.Permit // by key, then holder
	graphs  map[string][]byte                  // JSON, by digest
	blobs   map[string][]byte                  // by digest
	bytes   int64                              // of blobs
}

type job struct {
	snapshot store.Snapshot
	events   []event.Event
	timers   map[string]event.Timer
	commands []command // the last ones, oldest first
}

type command struct {
	id     event.CommandID
	answer store.Applied
}

var (
	_ store.Driver       = (*Store)(nil)
	_ store.PermitReader = (*Store)(nil)
)

// Open returns an empty store.
func Open() *Store {
	return &Store{
		jobs:    make(map[event.JobID]*job),
		permits: make(map[string]map[string]event.Permit),
		graphs:  make(map[string][]byte),
		blobs:   make(map[string][]byte),
	}
}

// Apply implements store.Driver.
func (s *Store) Apply(ctx context.Context, ts []event.Transition) ([]store.Applied, []error) {
	applied, errs := make([]store.Applied, len(ts)), make([]error, len(ts))
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range ts {
		if errs[i] = s.usable(ctx); errs[i] == nil {
			applied[i], errs[i] = s.applyOne(ts[i])
		}
	}
	return applied, errs
}

func (s *Store) applyOne(t event.Transition) (store.Applied, error) {
	t, err := store.Prepare(t)
	if err != nil {
		return store.Applied{}, err
	}
	j := s.jobs[t.Job]
	if j == nil {
		j = &job{timers: make(map[string]event.Timer)}
	}
	if answer, ok := j.repeated(t.Command); ok {
		return answer, nil
	}
	if err := store.Admit(j.snapshot.Version, j.snapshot.Epoch, &t); err != nil {
		return store.Applied{}, err
	}

	s.jobs[t.Job] = j
	j.change(&t)
	s.changePermits(&t)
	answer := store.Applied{Version: j.snapshot.Version}
	j.remember(command{t.Command, answer})
	return answer, nil
}

func (j *job) change(t *event.Transition) {
	if j.snapshot.Version > 0 { // a job's place in the listing never changes
		t.Summary.Submitted = j.snapshot.Summary.Submitted
	}
	j.events = append(j.events, t.Events...)
	j.snapshot = store.Snapshot{
		Summary: t.Summary, State: t.State, Version: t.Summary.Version, Epoch: t.Epoch,
	}
	for _, key := range t.Drop {
		delete(j.timers, key)
	}
	for _, tm := range t.Put {
		j.timers[tm.Key] = tm
	}
}

func (s *Store) changePermits(t *event.Transition) {
	for _, p := range t.Release {
		delete(s.permits[p.Key], p.Holder)
	}
	for _, p := range t.Take {
		if s.permits[p.Key] == nil {
			s.permits[p.Key] = make(map[string]event.Permit)
		}
		s.permits[p.Key][p.Holder] = p
	}
}

func (j *job) repeated(id event.CommandID) (store.Applied, bool) {
	i := slices.IndexFunc(j.commands, func(c command) bool { return c.id == id })
	if i < 0 {
		return store.Applied{}, false
	}
	answer := j.commands[i].answer
	answer.Repeat = true
	return answer, true
}

func (j *job) remember(c command) {
	j.commands = append(j.commands, c)
	if extra := len(j.commands) - store.RememberedCommands; extra > 0 {
		j.commands = slices.Delete(j.commands, 0, extra)
	}
}

// Info implements store.Driver.
func (s *Store) Info(ctx context.Context) (store.Info, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return store.Info{}, err
	}
	return store.Info{Driver: "mem", Durability: "process", Bytes: s.bytes}, nil
}

// Close implements store.Driver. What was kept is gone.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.jobs, s.permits, s.graphs, s.blobs, s.bytes = nil, nil, nil, nil, 0
	return nil
}

// usable needs s.mu.
func (s *Store) usable(ctx context.Context) error {
	if s.closed {
		return store.ErrClosed
	}
	return store.Alive(ctx)
}
