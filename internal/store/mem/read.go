package mem

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/store"
)

// Load implements store.Driver.
func (s *Store) Load(ctx context.Context, id event.JobID) (store.Snapshot, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	j, err := s.job(ctx, id)
	if err != nil {
		return store.Snapshot{}, err
	}
	snap := j.snapshot
	snap.State = slices.Clone(snap.State)
	return snap, nil
}

// Events implements store.Driver.
func (s *Store) Events(ctx context.Context, id event.JobID, after event.Seq, maxEvents int) ([]event.Event, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	limit, err := store.EventLimit(maxEvents)
	if err != nil {
		return nil, err
	}
	j, err := s.job(ctx, id)
	if err != nil {
		return nil, err
	}
	rest := j.events[min(after, event.Seq(len(j.events))):]
	return store.CloneEvents(rest[:min(limit, len(rest))]), nil
}

// List implements store.Driver.
func (s *Store) List(ctx context.Context, q store.Query) (store.Page, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return store.Page{}, err
	}
	limit, err := store.Limit(q.Max)
	if err != nil {
		return store.Page{}, err
	}
	after, err := store.ParseCursor(q.After)
	if err != nil {
		return store.Page{}, err
	}

	var page store.Page
	for _, sum := range s.newestFirst() {
		key := store.ListKey(sum.Submitted, sum.Job)
		if bytes.Compare(key, after) <= 0 || !q.Matches(sum.Status) {
			continue
		}
		if len(page.Jobs) == limit {
			last := page.Jobs[limit-1]
			page.Next = store.Cursor(store.ListKey(last.Submitted, last.Job))
			break
		}
		page.Jobs = append(page.Jobs, sum)
	}
	return page, nil
}

func (s *Store) newestFirst() []event.Summary {
	all := make([]event.Summary, 0, len(s.jobs))
	for _, j := range s.jobs {
		all = append(all, j.snapshot.Summary)
	}
	slices.SortFunc(all, func(a, b event.Summary) int {
		return bytes.Compare(store.ListKey(a.Submitted, a.Job), store.ListKey(b.Submitted, b.Job))
	})
	return all
}

// Due implements store.Driver.
func (s *Store) Due(ctx context.Context, q store.DueQuery) ([]store.DueTimer, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	limit, err := store.Limit(q.Max)
	if err != nil {
		return nil, err
	}

	var due []store.DueTimer
	for id, j := range s.jobs {
		for _, tm := range j.timers {
			if !tm.Due.After(q.At) {
				due = append(due, store.DueTimer{Job: id, Timer: tm})
			}
		}
	}
	slices.SortFunc(due, func(a, b store.DueTimer) int {
		return cmp.Or(a.Timer.Due.Compare(b.Timer.Due), cmp.Compare(a.Job, b.Job), cmp.Compare(a.Timer.Key, b.Timer.Key))
	})
	return due[:min(limit, len(due))], nil
}

// Permits implements store.PermitReader.
func (s *Store) Permits(ctx context.Context, key string) ([]event.Permit, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	holders := slices.Collect(maps.Values(s.permits[key]))
	slices.SortFunc(holders, func(a, b event.Permit) int { return cmp.Compare(a.Holder, b.Holder) })
	return holders, nil
}

// PutGraph implements store.Driver.
func (s *Store) PutGraph(ctx context.Context, digest string, g bundle.Graph) error {
	text, err := json.Marshal(g)
	if err != nil {
		return fmt.Errorf("encode graph: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	if _, err := store.ParseDigest(digest); err != nil {
		return err
	}
	if old, ok := s.graphs[digest]; ok && !bytes.Equal(old, text) {
		return store.OtherGraph(digest)
	}
	s.graphs[digest] = text
	return nil
}

// Graph implements store.Driver.
func (s *Store) Graph(ctx context.Context, digest string) (bundle.Graph, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var g bundle.Graph
	if err := s.usable(ctx); err != nil {
		return g, err
	}
	text, ok := s.graphs[digest]
	if !ok {
		return g, store.NoGraph(digest)
	}
	if err := json.Unmarshal(text, &g); err != nil {
		return g, fmt.Errorf("decode graph: %w", err)
	}
	return g, nil
}

// PutBlob implements store.Driver.
func (s *Store) PutBlob(ctx context.Context, mediaType string, r io.Reader) (event.BlobRef, error) {
	content, err := io.ReadAll(r)
	if err != nil {
		return event.BlobRef{}, fmt.Errorf("read blob's source: %w", err)
	}
	sum := sha256.Sum256(content)
	digest := store.Digest(sum[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return event.BlobRef{}, err
	}
	if _, ok := s.blobs[digest]; !ok {
		s.blobs[digest] = content
		s.bytes += int64(len(content))
	}
	return event.BlobRef{Digest: digest, Size: int64(len(content)), Type: mediaType}, nil
}

// Blob implements store.Driver.
func (s *Store) Blob(ctx context.Context, ref event.BlobRef) (io.ReadCloser, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	if _, err := store.ParseDigest(ref.Digest); err != nil {
		return nil, err
	}
	content, ok := s.blobs[ref.Digest]
	if !ok {
		return nil, store.NoBlob(ref.Digest)
	}
	return store.Verify(io.NopCloser(bytes.NewReader(content)), ref.Digest), nil
}

// job needs s.mu.
func (s *Store) job(ctx context.Context, id event.JobID) (*job, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	j, ok := s.jobs[id]
	if !ok {
		return nil, store.NoJob(id)
	}
	return j, nil
}
