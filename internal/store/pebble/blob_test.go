package pebble_test

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/store/pebble"
)

func readBlob(t *testing.T, s *pebble.Store, ref event.BlobRef) (string, error) {
	t.Helper()
	r, err := s.Blob(t.Context(), ref)
	if err != nil {
		return "", err
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	return string(content), err
}

func putBlob(t *testing.T, s *pebble.Store, text string) event.BlobRef {
	t.Helper()
	ref, err := s.PutBlob(t.Context(), "text/plain", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func blobPath(dir string, ref event.BlobRef) string {
	digits := strings.TrimPrefix(ref.Digest, "sha256:")
	return filepath.Join(dir, "blobs", digits[:2], digits)
}

func TestBlob_ofDamagedBytesIsCorrupt(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, small)
	ref := putBlob(t, s, "hello")
	if err := os.WriteFile(blobPath(dir, ref), []byte("hullo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readBlob(t, s, ref); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("error = %v, want corrupt", err)
	}
}

func TestPutBlob_healsDamagedBytes(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, small)
	ref := putBlob(t, s, "hello")
	if err := os.Truncate(blobPath(dir, ref), 2); err != nil {
		t.Fatal(err)
	}
	putBlob(t, s, "hello")
	if got, err := readBlob(t, s, ref); err != nil || got != "hello" {
		t.Errorf("blob = %q, %v", got, err)
	}
}

func TestOpen_removesUnfinishedBlobs(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, small)
	ref := putBlob(t, s, "hello")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(dir, "blobs", "tmp-LEFT")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}

	s = open(t, dir, small)
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("the unfinished blob is still there: %v", err)
	}
	if got, err := readBlob(t, s, ref); err != nil || got != "hello" {
		t.Errorf("blob = %q, %v", got, err)
	}
}

func TestOpen_makesEverythingItsOwnersOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := open(t, dir, pebble.Options{Reserve: 4096})
	putBlob(t, s, "hello")
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 && d.Name() != "LOCK" {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
