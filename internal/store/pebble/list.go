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

// List implements store.Driver. The first page names every job that is known
// to be damaged; later pages name those found on the way.
func (s *Store) List(ctx context.Context, q store.Query) (store.Page, error) {
	if err := s.enter(ctx); err != nil {
		return store.Page{}, err
	}
	defer s.closed.leave()
	limit, err := store.Limit(q.Max)
	if err != nil {
		return store.Page{}, err
	}
	cursor, err := store.ParseCursor(q.After)
	if err != nil {
		return store.Page{}, err
	}

	v, release := s.views.get()
	defer release()
	before := s.damage.list()
	l := lister{s: s, r: v, q: q, limit: limit, cursor: cursor}
	if err := l.run(ctx); err != nil {
		return store.Page{}, err
	}
	l.page.Quarantined = s.damage.list()
	if q.After != "" {
		l.page.Quarantined = newlyFound(before, l.page.Quarantined)
	}
	return l.page, nil
}

func newlyFound(before, now []store.Quarantined) []store.Quarantined {
	return slices.DeleteFunc(now, func(q store.Quarantined) bool { return slices.Contains(before, q) })
}

// lister fills one page.
type lister struct {
	s      *Store
	r      pebble.Reader
	q      store.Query
	limit  int
	cursor []byte
	page   store.Page
}

var errPageFull = errors.New("page is full")

func (l *lister) run(ctx context.Context) error {
	if l.s.damage.takeSurvey() {
		if err := l.s.surveyJobs(ctx, l.r); err != nil {
			return err
		}
	}
	err := l.fromIndex()
	if err != nil && pebble.IsCorruptionError(err) {
		l.page = store.Page{}
		err = l.fromJobs(ctx)
	}
	if errors.Is(err, errPageFull) {
		last := l.page.Jobs[l.limit-1]
		l.page.Next = store.Cursor(store.ListKey(last.Submitted, last.Job))
		return nil
	}
	return err
}

// fromIndex reads the listing in its order.
func (l *lister) fromIndex() error {
	from := append([]byte{spaceList}, l.cursor...)
	if l.cursor != nil {
		from = append(from, 0)
	}
	return scan(l.r, span{from, []byte{spaceList + 1}}, func(key, value []byte) error {
		// The index only spares reading jobs of another status; the job itself counts.
		status, err := record.DecodeOpaque(key, value)
		if err == nil && !l.q.Matches(event.JobStatus(status)) {
			return nil
		}
		return l.add(store.ListKeyJob(key[1:]))
	})
}

// fromJobs makes the listing anew when the index is damaged.
func (l *lister) fromJobs(ctx context.Context) error {
	if err := l.s.surveyJobs(ctx, l.r); err != nil {
		return err
	}
	jobs, err := l.s.knownJobs(l.r)
	if err != nil {
		return err
	}
	var keys [][]byte
	for _, job := range jobs {
		head, err := readHead(l.r, job)
		key := store.ListKey(head.Summary.Submitted, job)
		if err == nil && bytes.Compare(key, l.cursor) > 0 {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, bytes.Compare)
	for _, key := range keys {
		if err := l.add(store.ListKeyJob(key)); err != nil {
			return err
		}
	}
	return nil
}

// add adds a job to the page, or to the quarantine.
func (l *lister) add(job event.JobID) error {
	err := l.s.checkOnce(l.r, job)
	var head record.Head
	if err == nil {
		head, err = readHead(l.r, job)
		err = corrupt(err)
	}
	switch kind := fault.KindOf(err); {
	case kind == fault.NotFound:
		l.s.damage.quarantine(job, fault.New(fault.Corrupt, "it is listed, but none of its records is there"))
		return nil
	case kind == fault.Corrupt:
		l.s.damage.quarantine(job, err)
		return nil
	case err != nil:
		return err
	case !l.q.Matches(head.Summary.Status):
		return nil
	case len(l.page.Jobs) == l.limit:
		return errPageFull
	}
	l.page.Jobs = append(l.page.Jobs, head.Summary)
	return nil
}
