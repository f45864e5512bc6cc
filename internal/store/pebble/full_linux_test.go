package pebble_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
	"github.com/bulkhead-dev/bulkhead/internal/store/pebble"
	"github.com/bulkhead-dev/bulkhead/internal/store/storetest"
)

// smallDisk mounts a file system of a size and returns where.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size="+size)
	kerneltest.Need(t, "tmpfs mount", err == nil, fmt.Sprint(err))
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// fill takes every byte that is left on the disk of a folder, and returns a
// function that gives it back.
func fill(t *testing.T, dir string) func() {
	t.Helper()
	f, err := os.CreateTemp(dir, "filler")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 4096} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatalf("fill: %v", err)
		}
	}
	return func() {
		if err := os.Remove(f.Name()); err != nil {
			t.Error(err)
		}
	}
}

// fullDiskOptions are ways to meet a full disk: stopped by the look at the
// free space, by a write that fails, and without anything in reserve.
var fullDiskOptions = []struct {
	name string
	opts pebble.Options
}{
	{"as shipped", pebble.Options{}},
	{"with a reserve only", pebble.Options{MinFree: -1}},
	{"with nothing in reserve", pebble.Options{Reserve: -1, MinFree: -1}},
}

func TestFullDisk_losesNothing(t *testing.T) {
	for _, row := range fullDiskOptions {
		t.Run(row.name, func(t *testing.T) {
			disk := smallDisk(t, "32m")
			dir := filepath.Join(disk, "state")
			s, err := pebble.Open(dir, row.opts)
			if err != nil {
				t.Fatal(err)
			}
			mustApply(t, s, storetest.Step("kept", 0, 3))
			blob := putBlob(t, s, "kept")
			acked := writeUntilFull(t, s)
			giveBack := fill(t, disk)
			failedStoreReads(t, s, fault.Exhausted)
			if got, err := readBlob(t, s, blob); err != nil || got != "kept" {
				t.Errorf("blob = %q, %v", got, err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}

			var readOnly bool
			for range 5 { // each opening may find some room by tidying up
				more := fill(t, disk)
				readOnly = reopenedReads(t, dir, row.opts, acked)
				defer more()
			}
			if !readOnly {
				t.Error("a store on a disk without any room says that it takes writes")
			}
			giveBack()
			reopenedReads(t, dir, row.opts, acked)
			if err := unix.Mount("tmpfs", disk, "tmpfs", unix.MS_REMOUNT, "size=128m"); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir, row.opts)
			mustApply(t, s, storetest.Step("kept", 3, 1))
			sameAsAcked(t, s, acked)
		})
	}
}

// writeUntilFull writes transitions that no compression shortens until one is
// refused, and returns the last acknowledged version of job big.
func writeUntilFull(t *testing.T, s *pebble.Store) event.Seq {
	t.Helper()
	for v := event.Seq(0); v < 2000; v++ {
		tr := storetest.Step("big", v, 1)
		tr.Events[0].Data.Inline = randomJSON(v)
		_, err := storetest.Apply(s, tr)
		if err == nil {
			continue
		}
		if fault.KindOf(err) != fault.Exhausted || fault.HintOf(err) == "" {
			t.Errorf("error = %v, want exhausted with a hint", err)
		}
		return v
	}
	t.Fatal("the disk did not become full")
	return 0
}

// randomJSON is a string of about 60 kB, a function of the version.
func randomJSON(v event.Seq) []byte {
	raw := make([]byte, 45_000)
	_, _ = rand.NewChaCha8([32]byte{byte(v), byte(v >> 8)}).Read(raw)
	return fmt.Appendf(nil, "%q", base64.StdEncoding.EncodeToString(raw))
}

// reopenedReads opens a store on a disk that is full, or was, checks that all
// is there, and reports whether it takes no writes.
func reopenedReads(t *testing.T, dir string, opts pebble.Options, acked event.Seq) (readOnly bool) {
	t.Helper()
	s, err := pebble.Open(dir, opts)
	if err != nil {
		t.Errorf("reopen: %v (%v)", err, fault.KindOf(err))
		return false
	}
	sameAsAcked(t, s, acked)
	info, err := s.Info(t.Context())
	if err != nil {
		t.Error(err)
	}
	if info.ReadOnly != "" {
		if _, err := storetest.Apply(s, storetest.Step("kept", 3, 1)); fault.KindOf(err) != fault.Exhausted {
			t.Errorf("apply: error = %v, want exhausted", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	return info.ReadOnly != ""
}
