package pebble_test

import (
	"fmt"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/store"
	"github.com/bulkhead-dev/bulkhead/internal/store/pebble"
	"github.com/bulkhead-dev/bulkhead/internal/store/storetest"
)

func syncs(t *testing.T, s *pebble.Store) int64 {
	t.Helper()
	info, err := s.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.Syncs
}

func mustApply(t *testing.T, s store.Driver, ts ...event.Transition) {
	t.Helper()
	_, errs := s.Apply(t.Context(), ts)
	for i, err := range errs {
		if err != nil {
			t.Fatalf("apply to %s after %d: %v", ts[i].Job, ts[i].IfVersion, err)
		}
	}
}

func TestApply_ofABatchCostsOneSync(t *testing.T) {
	s := open(t, t.TempDir(), small)
	var batch []event.Transition
	for i := range 50 {
		batch = append(batch, storetest.Step(event.JobID(fmt.Sprint("j", i)), 0, 3))
	}
	before := syncs(t, s)
	mustApply(t, s, batch...)
	if got := syncs(t, s) - before; got != 1 {
		t.Errorf("a batch of %d transitions cost %d syncs, want 1", len(batch), got)
	}
}

func TestApply_thatChangesNothingCostsNoSync(t *testing.T) {
	s := open(t, t.TempDir(), small)
	first := storetest.Step("a", 0, 1)
	mustApply(t, s, first)
	before := syncs(t, s)
	mustApply(t, s, first) // a repeat
	if _, err := storetest.Apply(s, storetest.Step("a", 9, 1)); fault.KindOf(err) != fault.Conflict {
		t.Errorf("error = %v, want conflict", err)
	}
	if got := syncs(t, s) - before; got != 0 {
		t.Errorf("they cost %d syncs, want 0", got)
	}
}

func TestIdleStore_makesNoSync(t *testing.T) {
	s := open(t, t.TempDir(), small)
	mustApply(t, s, storetest.Step("a", 0, 1))
	before := syncs(t, s)
	time.Sleep(500 * time.Millisecond)
	if got := syncs(t, s) - before; got != 0 {
		t.Errorf("%d syncs while idle, want 0", got)
	}
}

// gate blocks syncs of the log until it is opened.
type gate struct {
	arrived chan struct{} // receives when a sync is at the gate
	pass    chan struct{} // closed: syncs pass
}

func newGate(h *hookFS) *gate {
	g := &gate{arrived: make(chan struct{}, 100), pass: make(chan struct{})}
	h.set(func(op, name string) error {
		if op == "sync" && strings.HasSuffix(name, ".log") {
			g.arrived <- struct{}{}
			<-g.pass
		}
		return nil
	})
	return g
}

func TestApply_sharesASyncWithThoseThatWait(t *testing.T) {
	disk := &hookFS{FS: vfs.NewMem()}
	s := open(t, "state", onMemory(disk))
	before := syncs(t, s)
	g := newGate(disk)

	var wg sync.WaitGroup
	apply := func(i int) {
		if _, err := storetest.Apply(s, storetest.Step(event.JobID(fmt.Sprint("j", i)), 0, 1)); err != nil {
			t.Errorf("apply %d: %v", i, err)
		}
	}
	wg.Go(func() { apply(0) })
	<-g.arrived
	for i := 1; i <= 50; i++ {
		wg.Go(func() { apply(i) })
	}
	for s.Waiting() < 50 {
		time.Sleep(time.Millisecond)
	}
	close(g.pass)
	wg.Wait()
	if got := syncs(t, s) - before; got != 2 {
		t.Errorf("one call and fifty that waited for it cost %d syncs, want 2", got)
	}
}

func TestLoad_showsOnlyWhatIsDurable(t *testing.T) {
	disk := &hookFS{FS: vfs.NewMem()}
	s := open(t, "state", onMemory(disk))
	mustApply(t, s, storetest.Step("a", 0, 1))
	g := newGate(disk)

	done := make(chan error)
	go func() { _, err := storetest.Apply(s, storetest.Step("a", 1, 1)); done <- err }()
	<-g.arrived
	if snap, err := s.Load(t.Context(), "a"); err != nil || snap.Version != 1 {
		t.Errorf("before the sync: version %d, %v, want 1", snap.Version, err)
	}
	close(g.pass)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if snap, err := s.Load(t.Context(), "a"); err != nil || snap.Version != 2 {
		t.Errorf("after the sync: version %d, %v, want 2", snap.Version, err)
	}
}

func TestOpen_syncsTheManifestsNameBeforeItsMarker(t *testing.T) {
	disk := &hookFS{FS: vfs.NewMem()}
	var mu sync.Mutex
	named, synced, markers := false, false, 0
	disk.set(func(op, name string) error {
		mu.Lock()
		defer mu.Unlock()
		switch base := path.Base(name); {
		case op == "create" && strings.HasPrefix(base, "MANIFEST-"):
			named, synced = true, false
		case op == "sync" && base == "db":
			synced = named
		case op == "create" && strings.HasPrefix(base, "marker.manifest."):
			markers++
			if !synced {
				t.Errorf("%s is made before the manifest's name is on the disk", base)
			}
		}
		return nil
	})
	for range 3 {
		s, err := pebble.Open("state", onMemory(disk))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if markers == 0 {
		t.Error("no marker was made: the test looks at nothing")
	}
}
