package pebble

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/internal/store"
	"github.com/bulkhead-dev/bulkhead/internal/store/record"
)

// PutGraph implements store.Driver.
func (s *Store) PutGraph(ctx context.Context, digest string, g bundle.Graph) error {
	text, err := json.Marshal(g)
	if err != nil {
		return fmt.Errorf("encode graph: %w", err)
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.closed.leave()
	if _, err := store.ParseDigest(digest); err != nil {
		return err
	}

	old, found, err := s.graphText(digest)
	switch {
	case err != nil:
		return err
	case found && !bytes.Equal(old, text):
		return store.OtherGraph(digest)
	case found:
		return nil
	}
	return s.keep(graphKey(digest), text)
}

// keep writes one record that belongs to no job, through the committer.
func (s *Store) keep(key, content []byte) error {
	if err := s.takesWrites(); err != nil {
		return err
	}
	req := newRequest(1)
	req.keep = &entry{key, record.AppendOpaque(nil, key, content)}
	req.size = len(key) + len(content)
	if !s.writer.submit(req) {
		return store.ErrClosed
	}
	_, errs := s.await(context.Background(), req)
	return errs[0]
}

// Graph implements store.Driver.
func (s *Store) Graph(ctx context.Context, digest string) (bundle.Graph, error) {
	var g bundle.Graph
	if err := s.enter(ctx); err != nil {
		return g, err
	}
	defer s.closed.leave()
	text, found, err := s.graphText(digest)
	if err != nil {
		return g, err
	}
	if !found {
		return g, store.NoGraph(digest)
	}
	if err := json.Unmarshal(text, &g); err != nil {
		return g, fmt.Errorf("decode graph: %w", err)
	}
	return g, nil
}

func (s *Store) graphText(digest string) (text []byte, found bool, err error) {
	v, release := s.views.get()
	defer release()
	key := graphKey(digest)
	found, err = get(v, key, func(value []byte) (err error) {
		text, err = record.DecodeOpaque(key, value)
		return err
	})
	return text, found, corrupt(err)
}
