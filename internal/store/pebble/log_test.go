package pebble_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/store/pebble"
	"github.com/bulkhead-dev/bulkhead/internal/store/storetest"
)

// powerCut copies a folder that is in use: what a cut of the power leaves
// after n acknowledged transitions of job a.
func powerCut(t *testing.T, n event.Seq) string {
	t.Helper()
	dir, cut := t.TempDir(), t.TempDir()
	s := open(t, dir, small)
	for v := range n {
		mustApply(t, s, storetest.Step("a", v, 1))
	}
	if err := os.CopyFS(cut, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return cut
}

// newest is the last file of a kind in the database.
func newest(t *testing.T, dir, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "db", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s: %v", pattern, err)
	}
	return files[len(files)-1]
}

// used is how many bytes of a file are not the zeros of preallocation.
func used(t *testing.T, path string) int64 {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return int64(len(bytes.TrimRight(content, "\x00")))
}

// TestFlippedByteInTheLog_isNeverTakenForItsEnd flips bytes all over the log
// before its last record. The store does not open, and changes nothing.
func TestFlippedByteInTheLog_isNeverTakenForItsEnd(t *testing.T) {
	const n = 60
	cut := powerCut(t, n)
	size := used(t, newest(t, cut, "*.log"))
	for i := range int64(30) {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(cut)); err != nil {
			t.Fatal(err)
		}
		at := size * i / 30
		flipByte(t, newest(t, dir, "*.log"), at)
		before := listing(t, filepath.Join(dir, "db"))
		_, err := pebble.Open(dir, small)
		if fault.KindOf(err) != fault.Corrupt || !strings.Contains(err.Error(), dir) || fault.HintOf(err) == "" {
			t.Errorf("byte %d of %d: error = %v, want corrupt with a hint", at, size, err)
		}
		sameFiles(t, before, listing(t, filepath.Join(dir, "db")))
	}
}

// TestFlippedByteInTheLastRecord_costsThatRecord shows the limit: nothing
// comes after it that would prove that it was whole once.
func TestFlippedByteInTheLastRecord_costsThatRecord(t *testing.T) {
	cut := powerCut(t, 20)
	log := newest(t, cut, "*.log")
	flipByte(t, log, used(t, log)-20)
	s := open(t, cut, small)
	if snap, err := s.Load(t.Context(), "a"); err != nil || snap.Version != 19 {
		t.Errorf("version %d, %v, want 19", snap.Version, err)
	}
}

// FuzzCheckLog feeds logs that hold anything.
func FuzzCheckLog(f *testing.F) {
	mem := vfs.NewMem()
	s, err := pebble.Open("state", onMemory(mem))
	if err != nil {
		f.Fatal(err)
	}
	defer s.Close()
	if _, err := storetest.Apply(s, storetest.Step("a", 0, 1)); err != nil {
		f.Fatal(err)
	}
	names, err := mem.List("state/db")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		if content, err := mem.UnsafeGetFileDataBuffer("state/db/" + name); err == nil && strings.HasSuffix(name, ".log") {
			f.Add(bytes.Clone(content))
		}
	}
	f.Fuzz(func(_ *testing.T, content []byte) { pebble.ScanLog(content, 2) })
}

// sameFiles checks that no file was lost or changed; new empty ones may be there.
func sameFiles(t *testing.T, before, now []string) {
	t.Helper()
	for _, f := range before {
		found := false
		for _, g := range now {
			found = found || f == g
		}
		if !found {
			t.Errorf("lost or changed: %.120s", f)
		}
	}
}

func TestFlippedByteInTheManifest_isCorruptOrHarmless(t *testing.T) {
	cut := powerCut(t, 10)
	size := used(t, newest(t, cut, "MANIFEST-*"))
	for at := range size {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(cut)); err != nil {
			t.Fatal(err)
		}
		flipByte(t, newest(t, dir, "MANIFEST-*"), at)
		s, err := pebble.Open(dir, small)
		if err != nil {
			if fault.KindOf(err) != fault.Corrupt {
				t.Errorf("byte %d: error = %v (%v), want corrupt", at, err, fault.KindOf(err))
			}
			continue
		}
		if snap, err := s.Load(t.Context(), "a"); err != nil || snap.Version != 10 {
			t.Errorf("byte %d: the store opens at version %d, %v", at, snap.Version, err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("byte %d: close: %v", at, err)
		}
	}
}

func TestMissingTable_isCorrupt(t *testing.T) {
	dir := t.TempDir()
	table := tableStore(t, dir)
	if err := os.Remove(table); err != nil {
		t.Fatal(err)
	}
	if _, err := pebble.Open(dir, small); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("error = %v (%v), want corrupt", err, fault.KindOf(err))
	}
}
