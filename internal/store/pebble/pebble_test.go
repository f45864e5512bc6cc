package pebble_test

import (
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/store"
	"github.com/bulkhead-dev/bulkhead/internal/store/pebble"
	"github.com/bulkhead-dev/bulkhead/internal/store/storetest"
)

// small keeps tests quick: no reserve file.
var small = pebble.Options{Reserve: -1, MinFree: -1}

func open(t *testing.T, dir string, opts pebble.Options) *pebble.Store {
	t.Helper()
	s, err := pebble.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func TestPebble_conforms(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Driver { return open(t, t.TempDir(), small) })
}
