package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/store"
	"github.com/bulkhead-dev/bulkhead/internal/store/record"
)

// Load implements store.Driver.
func (s *Store) Load(ctx context.Context, job event.JobID) (store.Snapshot, error) {
	var snap store.Snapshot
	err := s.readJob(ctx, job, func(r pebble.Reader) error {
		head, err := readHead(r, job)
		snap = store.Snapshot{Summary: head.Summary, State: head.State, Version: head.Version, Epoch: head.Epoch}
		return err
	})
	return snap, err
}

// Events implements store.Driver.
func (s *Store) Events(ctx context.Context, job event.JobID, after event.Seq, maxEvents int) ([]event.Event, error) {
	limit, err := store.EventLimit(maxEvents)
	if err != nil {
		return nil, err
	}
	var events []event.Event
	err = s.readJob(ctx, job, func(r pebble.Reader) error {
		head, err := readHead(r, job)
		if err != nil || after >= head.Version {
			return err
		}
		events, err = readEvents(r, job, after, min(event.Seq(limit), head.Version-after))
		return err
	})
	return events, err
}

// readJob runs a read of one job on the newest durable state. What turns out
// damaged is quarantined.
func (s *Store) readJob(ctx context.Context, job event.JobID, read func(pebble.Reader) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.closed.leave()
	if store.CheckJobID(job) != nil {
		return store.NoJob(job)
	}
	v, release := s.views.get()
	defer release()

	if err := s.checkOnce(v, job); err != nil {
		return err
	}
	err := corrupt(read(v))
	if fault.KindOf(err) == fault.Corrupt {
		return s.damage.quarantine(job, err)
	}
	return err
}

func readHead(r pebble.Reader, job event.JobID) (record.Head, error) {
	key := headKey(nil, job)
	var head record.Head
	found, err := get(r, key, func(value []byte) (err error) {
		head, err = record.DecodeHead(key, value, job)
		return err
	})
	if err == nil && !found {
		err = store.NoJob(job)
	}
	return head, err
}

// readEvents returns n events after a sequence number; all of them must be there.
func readEvents(r pebble.Reader, job event.JobID, after, n event.Seq) ([]event.Event, error) {
	events := make([]event.Event, 0, n)
	keys := span{eventKey(nil, job, after+1), eventKey(nil, job, after+n+1)}
	err := scan(r, keys, func(key, value []byte) error {
		seq := event.Seq(binary.BigEndian.Uint64(key[len(key)-8:]))
		e, err := record.DecodeEvent(key, value, job, seq)
		events = append(events, e.Event)
		return err
	})
	if err == nil && len(events) != int(n) {
		err = fault.Newf(fault.Corrupt, "events are missing after %d", after)
	}
	return events, err
}

// get calls use with the value of a key, valid only during the call.
func get(r pebble.Reader, key []byte, use func(value []byte) error) (found bool, err error) {
	value, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %q: %w", key, err)
	}
	return true, errors.Join(use(value), closer.Close())
}
