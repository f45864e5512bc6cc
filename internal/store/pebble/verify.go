package pebble

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/store"
	"github.com/bulkhead-dev/bulkhead/internal/store/record"
)

// Verify implements store.Verifier: it reads every record of every job.
func (s *Store) Verify(ctx context.Context) ([]store.Quarantined, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.closed.leave()
	s.damage.forgetGood()
	v, release := s.views.get()
	defer release()
	if err := s.surveyJobs(ctx, v); err != nil {
		return nil, err
	}
	return s.damage.list(), nil
}

// surveyJobs reads every job that can be named and quarantines the damaged.
func (s *Store) surveyJobs(ctx context.Context, r pebble.Reader) error {
	jobs, err := s.knownJobs(r)
	if err != nil {
		return err
	}
	for _, job := range jobs {
		if err := store.Alive(ctx); err != nil {
			return err
		}
		if err := s.checkOnce(r, job); fault.KindOf(err) == fault.Internal {
			return err
		}
	}
	return nil
}

// checkOnce reads a job whole the first time that it is touched. A damaged
// job is quarantined. The error is fault.Corrupt for a quarantined job.
func (s *Store) checkOnce(r pebble.Reader, job event.JobID) error {
	if err := s.damage.of(job); err != nil {
		return err
	}
	if s.damage.isGood(job) {
		return nil
	}
	err := corrupt(checkJob(r, job))
	if fault.KindOf(err) == fault.Corrupt {
		return s.damage.quarantine(job, err)
	}
	if err == nil {
		s.damage.markGood(job)
	}
	return err
}

// checkJob reads every record of a job and compares them with each other.
func checkJob(r pebble.Reader, job event.JobID) error {
	c := checker{job: job}
	if err := scan(r, jobSpan(job), c.record); err != nil {
		return err
	}
	switch {
	case c.records > 0 && !c.hasHead:
		return fault.New(fault.Corrupt, "its state is missing")
	case c.head.Version != c.events:
		return fault.Newf(fault.Corrupt, "its state is of event %d, its last event is %d", c.head.Version, c.events)
	}
	return nil
}

type checker struct {
	job     event.JobID
	records int
	events  event.Seq
	hasHead bool
	head    record.Head
}

// record judges one record of the job.
func (c *checker) record(key, value []byte) (err error) {
	c.records++
	part := len(c.job) + 2
	switch rest := key[part+1:]; key[part] {
	case partEvent:
		return c.event(key, rest, value)
	case partHead:
		c.hasHead = true
		c.head, err = record.DecodeHead(key, value, c.job)
	case partCommand:
		_, err = record.DecodeCommand(key, value)
	case partTimer:
		_, err = record.DecodeTimer(key, value)
	default:
		err = fault.Newf(fault.Corrupt, "it has a record of unknown kind %q", key[part])
	}
	return err
}

func (c *checker) event(key, rest, value []byte) error {
	if len(rest) != 8 {
		return fault.Newf(fault.Corrupt, "it has an event with the key %q", key)
	}
	seq := event.Seq(binary.BigEndian.Uint64(rest))
	if seq != c.events+1 {
		return fault.Newf(fault.Corrupt, "event %d is missing", c.events+1)
	}
	c.events = seq
	_, err := record.DecodeEvent(key, value, c.job, seq)
	return err
}

// knownJobs is every job that the listing, the jobs' own records or the file
// of names has. A damaged part of any is stepped over.
func (s *Store) knownJobs(r pebble.Reader) ([]event.JobID, error) {
	known := make(map[event.JobID]struct{})
	s.names.each(func(job event.JobID) { known[job] = struct{}{} })
	for _, job := range s.damage.atEdges() {
		known[job] = struct{}{}
	}
	err := scan(r, span{[]byte{spaceList}, []byte{spaceList + 1}}, func(key, _ []byte) error {
		known[store.ListKeyJob(key[1:])] = struct{}{}
		return nil
	})
	if err != nil && !pebble.IsCorruptionError(err) {
		return nil, fmt.Errorf("read listing: %w", err)
	}
	if err := hopJobs(r, known); err != nil {
		return nil, fmt.Errorf("read jobs: %w", err)
	}
	return slices.Sorted(maps.Keys(known)), nil
}

// hopJobs adds the jobs that have records, one seek each. Where a block is
// damaged it goes on at the next job that is known already.
func hopJobs(r pebble.Reader, known map[event.JobID]struct{}) error {
	resume := slices.Sorted(maps.Keys(known))
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceJob}, UpperBound: []byte{spaceJob + 1}})
	if err != nil {
		return ignoreCorruption(err)
	}
	defer it.Close()

	at := []byte{spaceJob}
	for {
		if it.SeekGE(at) {
			job := jobOf(it.Key())
			known[job] = struct{}{}
			at = jobSpan(job).upper
			continue
		}
		if err := it.Error(); err == nil {
			return nil
		} else if !pebble.IsCorruptionError(err) {
			return err
		}
		next := slices.IndexFunc(resume, func(job event.JobID) bool {
			return string(jobSpan(job).lower) > string(at)
		})
		if next < 0 {
			return nil
		}
		at = jobSpan(resume[next]).lower
		resume = resume[next+1:]
	}
}

func ignoreCorruption(err error) error {
	if pebble.IsCorruptionError(err) {
		return nil
	}
	return err
}

// span is a range of keys, the upper bound excluded.
type span struct{ lower, upper []byte }

func jobSpan(job event.JobID) span {
	lower := append([]byte{spaceJob}, job...)
	lower = append(lower, 0)
	return span{lower, after(lower)}
}

// scan calls f for each record of a span, in order, until it fails. Key and
// value are only valid during the call.
func scan(r pebble.Reader, keys span, f func(key, value []byte) error) (err error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: keys.lower, UpperBound: keys.upper})
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := it.Close(); err == nil {
			err = closeErr
		}
	}()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if err := f(it.Key(), value); err != nil {
			return err
		}
	}
	return it.Error()
}
