package pebble

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/store"
	"github.com/bulkhead-dev/bulkhead/internal/store/record"
)

// Due implements store.Driver. Timers of damaged jobs are left out.
func (s *Store) Due(ctx context.Context, q store.DueQuery) ([]store.DueTimer, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.closed.leave()
	limit, err := store.Limit(q.Max)
	if err != nil {
		return nil, err
	}
	v, release := s.views.get()
	defer release()

	due, err := s.dueByTime(v, q, limit)
	if err != nil && pebble.IsCorruptionError(err) {
		due, err = s.dueByJob(ctx, v, q)
	}
	return due[:min(limit, len(due))], err
}

// dueByTime reads the index of timers.
func (s *Store) dueByTime(r pebble.Reader, q store.DueQuery, limit int) ([]store.DueTimer, error) {
	var due []store.DueTimer
	upper := after(dueKey(nil, q.At, "", "")[:9])
	err := scan(r, span{[]byte{spaceDue}, upper}, func(key, _ []byte) error {
		if len(due) == limit {
			return errPageFull
		}
		job, name, ok := bytes.Cut(key[9:], []byte{0})
		if !ok {
			return nil
		}
		t, err := s.readTimer(r, event.JobID(job), string(name))
		if err == nil && t != nil && !t.Due.After(q.At) {
			due = append(due, store.DueTimer{Job: event.JobID(job), Timer: *t})
		}
		return err
	})
	if errors.Is(err, errPageFull) {
		err = nil
	}
	return due, err
}

// readTimer returns nil when there is none, or its job is damaged.
func (s *Store) readTimer(r pebble.Reader, job event.JobID, name string) (*event.Timer, error) {
	if s.damage.of(job) != nil {
		return nil, nil
	}
	var t event.Timer
	key := timerKey(nil, job, name)
	found, err := get(r, key, func(value []byte) (err error) {
		t, err = record.DecodeTimer(key, value)
		return err
	})
	if err = corrupt(err); fault.KindOf(err) == fault.Corrupt {
		s.damage.quarantine(job, err)
		return nil, nil
	}
	if err != nil || !found {
		return nil, err
	}
	return &t, nil
}

// dueByJob makes the answer anew when the index is damaged.
func (s *Store) dueByJob(ctx context.Context, r pebble.Reader, q store.DueQuery) ([]store.DueTimer, error) {
	if err := s.surveyJobs(ctx, r); err != nil {
		return nil, err
	}
	jobs, err := s.knownJobs(r)
	if err != nil {
		return nil, err
	}
	var due []store.DueTimer
	for _, job := range jobs {
		if s.damage.of(job) != nil {
			continue
		}
		timers := span{timerKey(nil, job, ""), after(timerKey(nil, job, ""))}
		err := scan(r, timers, func(key, value []byte) error {
			t, err := record.DecodeTimer(key, value)
			if err == nil && !t.Due.After(q.At) {
				due = append(due, store.DueTimer{Job: job, Timer: t})
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(due, func(a, b store.DueTimer) int {
		return bytes.Compare(dueKey(nil, a.Timer.Due, a.Job, a.Timer.Key), dueKey(nil, b.Timer.Due, b.Job, b.Timer.Key))
	})
	return due, nil
}

// Permits implements store.PermitReader.
func (s *Store) Permits(ctx context.Context, key string) ([]event.Permit, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.closed.leave()
	v, release := s.views.get()
	defer release()
	lower := permitKey(key, "")
	var permits []event.Permit
	err := scan(v, span{lower, after(lower)}, func(key, value []byte) error {
		p, err := record.DecodePermit(key, value)
		permits = append(permits, p)
		return err
	})
	return permits, corrupt(err)
}
