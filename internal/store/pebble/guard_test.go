package pebble_test

import (
	"errors"
	"path"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/store"
	"github.com/bulkhead-dev/bulkhead/internal/store/pebble"
	"github.com/bulkhead-dev/bulkhead/internal/store/storetest"
)

// failOn lets every operation of a kind fail on files whose name matches.
func failOn(op, pattern string, with error) func(op, name string) error {
	return func(gotOp, name string) error {
		if ok, err := path.Match(pattern, path.Base(name)); err == nil && ok && gotOp == op {
			return with
		}
		return nil
	}
}

// diskFailures are writes without which the database cannot go on. It would
// end the process on each.
var diskFailures = []struct {
	name string
	hook func(op, name string) error
	want fault.Kind
}{
	{"no room for the log", failOn("write", "*.log", unix.ENOSPC), fault.Exhausted},
	{"quota of the log", failOn("write", "*.log", unix.EDQUOT), fault.Exhausted},
	{"no room when the log is synced", failOn("sync", "*.log", unix.ENOSPC), fault.Exhausted},
	{"bad sector under the log", failOn("sync", "*.log", unix.EIO), fault.Unavailable},
	{"no room for the next log", failOn("create", "*.log", unix.ENOSPC), fault.Exhausted},
	{"bad sector under the next log", failOn("create", "*.log", unix.EIO), fault.Unavailable},
	{"no room for a table", failOn("create", "*.sst", unix.ENOSPC), fault.Exhausted},
	{"no room within a table", failOn("write", "*.sst", unix.ENOSPC), fault.Exhausted},
	{"bad sector under a table", failOn("sync", "*.sst", unix.EIO), fault.Unavailable},
	{"no room for the manifest", failOn("write", "MANIFEST*", unix.ENOSPC), fault.Exhausted},
	{"bad sector under the manifest", failOn("sync", "MANIFEST*", unix.EIO), fault.Unavailable},
}

func TestDiskFailure_endsWritingAndNothingElse(t *testing.T) {
	for _, row := range diskFailures {
		t.Run(row.name, func(t *testing.T) {
			mem := vfs.NewMem()
			disk := &hookFS{FS: mem}
			s, err := pebble.Open("state", onMemory(disk))
			if err != nil {
				t.Fatal(err)
			}
			mustApply(t, s, storetest.Step("kept", 0, 3))

			disk.set(row.hook)
			acked, err := writeUntilFailure(s)
			if fault.KindOf(err) != row.want {
				t.Errorf("error = %v (%v), want %v", err, fault.KindOf(err), row.want)
			}
			failedStoreReads(t, s, row.want)
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}

			disk.set(nil)
			s = open(t, "state", onMemory(disk))
			sameAsAcked(t, s, acked)
			mustApply(t, s, storetest.Step("kept", 3, 1))
		})
	}
}

// writeUntilFailure fills several logs if it must, and returns the last
// acknowledged version of job big.
func writeUntilFailure(s *pebble.Store) (event.Seq, error) {
	for v := event.Seq(0); v < 400; v++ {
		tr := storetest.Step("big", v, 1)
		tr.State = []byte(`"` + strings.Repeat("x", 100_000) + `"`)
		if _, err := storetest.Apply(s, tr); err != nil {
			return v, err
		}
	}
	return 400, nil
}

// failedStoreReads checks a store that has failed: reads go on, writes do not.
func failedStoreReads(t *testing.T, s *pebble.Store, want fault.Kind) {
	t.Helper()
	for range 3 {
		if _, err := storetest.Apply(s, storetest.Step("kept", 3, 1)); fault.KindOf(err) != want {
			t.Errorf("apply: error = %v, want %v", err, want)
		}
		if _, err := s.PutBlob(t.Context(), "", strings.NewReader("x")); fault.KindOf(err) != want {
			t.Errorf("put blob: error = %v, want %v", err, want)
		}
	}
	if snap, err := s.Load(t.Context(), "kept"); err != nil || snap.Version != 3 {
		t.Errorf("load: version %d, %v", snap.Version, err)
	}
	if events, err := s.Events(t.Context(), "kept", 0, 10); err != nil || len(events) != 3 {
		t.Errorf("events: %d, %v", len(events), err)
	}
	if page, err := s.List(t.Context(), store.Query{}); err != nil || len(page.Jobs) == 0 {
		t.Errorf("list: %v, %v", page, err)
	}
	if info, err := s.Info(t.Context()); err != nil || info.ReadOnly == "" {
		t.Errorf("info: %+v, %v", info, err)
	}
}

// sameAsAcked checks job big after a failure: nothing acknowledged is lost,
// and at most the one transition that failed is there beyond it.
func sameAsAcked(t *testing.T, s *pebble.Store, acked event.Seq) {
	t.Helper()
	snap, err := s.Load(t.Context(), "big")
	if fault.KindOf(err) == fault.NotFound && acked == 0 {
		return
	}
	if err != nil || snap.Version < acked || snap.Version > acked+1 {
		t.Errorf("version %d, acknowledged %d: %v", snap.Version, acked, err)
	}
	events, err := s.Events(t.Context(), "big", 0, 1000)
	if err != nil || len(events) != int(snap.Version) {
		t.Errorf("%d events, version %d: %v", len(events), snap.Version, err)
	}
}

func TestFullDisk_givesUpTheReserveAndGoesOn(t *testing.T) {
	mem := vfs.NewMem()
	disk := &hookFS{FS: mem}
	s := open(t, "state", pebble.Options{FS: disk, Reserve: 1 << 16, MinFree: -1})
	if _, err := mem.Stat("state/RESERVE"); err != nil {
		t.Fatalf("no reserve: %v", err)
	}
	disk.set(func(op, name string) error {
		if _, err := mem.Stat("state/RESERVE"); err == nil && op == "write" && strings.HasSuffix(name, ".log") {
			return unix.ENOSPC // until the reserve is gone
		}
		return nil
	})
	mustApply(t, s, storetest.Step("a", 0, 1))
	if _, err := mem.Stat("state/RESERVE"); err == nil {
		t.Error("the reserve is still there")
	}
	disk.set(nil)
	mustApply(t, s, storetest.Step("a", 1, 1))
	if _, err := mem.Stat("state/RESERVE"); err != nil {
		t.Errorf("the reserve did not come back: %v", err)
	}
}

func TestFullDisk_stopsBeforeTheDatabaseDoes(t *testing.T) {
	mem := vfs.NewMem()
	room := func(n uint64) { mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: n, TotalBytes: 1 << 40}) }
	room(1 << 30)
	s := open(t, "state", pebble.Options{FS: mem, Reserve: -1, MinFree: 1 << 20})
	first := storetest.Step("a", 0, 1)
	mustApply(t, s, first)

	room(1 << 19)
	if _, err := storetest.Apply(s, storetest.Step("a", 1, 1)); fault.KindOf(err) != fault.Exhausted || fault.HintOf(err) == "" {
		t.Errorf("error = %v, want exhausted with a hint", err)
	}
	if _, err := s.PutBlob(t.Context(), "", strings.NewReader("x")); fault.KindOf(err) != fault.Exhausted {
		t.Errorf("put blob: error = %v, want exhausted", err)
	}
	if applied, err := storetest.Apply(s, first); err != nil || !applied.Repeat {
		t.Errorf("a repeat on a full disk = %+v, %v, want the first answer", applied, err)
	}
	if snap, err := s.Load(t.Context(), "a"); err != nil || snap.Version != 1 {
		t.Errorf("load: %+v, %v", snap, err)
	}

	room(1 << 30)
	mustApply(t, s, storetest.Step("a", 1, 1))
}

func TestMergeThatFindsNoRoom_stopsNobody(t *testing.T) {
	disk := &hookFS{FS: vfs.NewMem()}
	s := open(t, "state", onMemory(disk))
	mustApply(t, s, storetest.Step("kept", 0, 3))
	var tries atomic.Int32
	disk.set(func(op, _ string) error {
		if op == "merge" && tries.Add(1) <= 2 {
			return unix.ENOSPC
		}
		return nil
	})
	acked, err := writeUntilFailure(s)
	if err != nil {
		t.Errorf("stopped at %d: %v", acked, err)
	}
	for v := event.Seq(3); tries.Load() <= 2; v++ { // each leaves something to merge
		mustApply(t, s, storetest.Step("kept", v, 1))
		if err := s.Compact(); err != nil && !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
	}
	sameAsAcked(t, s, acked)
	if info, err := s.Info(t.Context()); err != nil || info.ReadOnly != "" {
		t.Errorf("info: %+v, %v", info, err)
	}
}

func TestFailedStore_letsItsFolderGo(t *testing.T) {
	dir := t.TempDir()
	disk := &hookFS{FS: vfs.Default}
	opts := pebble.Options{Reserve: -1, MinFree: -1, FS: disk}
	s, err := pebble.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	mustApply(t, s, storetest.Step("kept", 0, 3))
	disk.set(failOn("sync", "*.log", unix.EIO))
	if _, err := storetest.Apply(s, storetest.Step("kept", 3, 1)); err == nil {
		t.Error("apply on a broken disk was acknowledged")
	}
	if _, err := pebble.Open(dir, opts); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("second open: error = %v, want unavailable", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	disk.set(nil)
	s = open(t, dir, opts)
	if snap, err := s.Load(t.Context(), "kept"); err != nil || snap.Version < 3 {
		t.Errorf("load: %+v, %v", snap, err)
	}
}

func TestClose_onAFullDiskEnds(t *testing.T) {
	disk := &hookFS{FS: vfs.NewMem()}
	s, err := pebble.Open("state", onMemory(disk))
	if err != nil {
		t.Fatal(err)
	}
	mustApply(t, s, storetest.Step("kept", 0, 3))
	disk.set(failOn("write", "*.log", unix.ENOSPC))
	if err := s.Close(); fault.KindOf(err) != fault.Exhausted {
		t.Errorf("close: error = %v, want exhausted", err)
	}
	disk.set(nil)
	s = open(t, "state", onMemory(disk))
	if snap, err := s.Load(t.Context(), "kept"); err != nil || snap.Version != 3 {
		t.Errorf("load: %+v, %v", snap, err)
	}
}
