package pebble

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/store"
)

// tempPrefix begins the names of blobs that are not whole yet.
const tempPrefix = "tmp-"

// PutBlob implements store.Driver: write beside, sync, rename, sync the
// folder. The blob is then there under its own digest, or not at all.
func (s *Store) PutBlob(ctx context.Context, mediaType string, r io.Reader) (event.BlobRef, error) {
	if err := s.enter(ctx); err != nil {
		return event.BlobRef{}, err
	}
	defer s.closed.leave()
	if err := s.writable(); err != nil {
		return event.BlobRef{}, err
	}

	temp := s.path(blobFolder, tempPrefix+rand.Text())
	ref, err := s.writeBlob(temp, r)
	if err == nil {
		err = s.placeBlob(temp, ref.Digest)
	}
	if err != nil {
		_ = s.files.Remove(temp)
		return event.BlobRef{}, err
	}
	ref.Type = mediaType
	return ref, nil
}

// writable returns why no write is taken; nil when they are.
func (s *Store) writable() error {
	if err := s.guard.failure(); err != nil {
		return err
	}
	return s.space.room(0)
}

func (s *Store) writeBlob(temp string, r io.Reader) (event.BlobRef, error) {
	if err := s.files.MkdirAll(s.path(blobFolder), 0o700); err != nil {
		return event.BlobRef{}, explain(s.dir, err)
	}
	f, err := s.files.Create(temp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return event.BlobRef{}, explain(s.dir, err)
	}
	w := blobWriter{File: f, sum: sha256.New(), room: s.space.room}
	n, err := io.Copy(&w, r)
	if err != nil && w.err == nil {
		return event.BlobRef{}, errors.Join(fmt.Errorf("read blob's source: %w", err), f.Close())
	}
	if err == nil {
		err = s.synced(f)
	}
	ref := event.BlobRef{Digest: store.Digest(w.sum.Sum(nil)), Size: n}
	return ref, explain(s.dir, errors.Join(err, f.Close()))
}

// placeBlob gives a whole blob its name, for good.
func (s *Store) placeBlob(temp, digest string) error {
	hexDigest, err := store.ParseDigest(digest)
	if err != nil {
		return err
	}
	return explain(s.dir, s.moveBlob(temp, hexDigest))
}

func (s *Store) moveBlob(temp, hexDigest string) error {
	dir := s.path(blobFolder, hexDigest[:2])
	_, statErr := s.files.Stat(dir)
	if err := s.files.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := s.files.Rename(temp, s.files.PathJoin(dir, hexDigest)); err != nil {
		return err
	}
	if err := s.syncFolder(dir); err != nil || statErr == nil {
		return err
	}
	return errors.Join(s.syncFolder(s.path(blobFolder)), s.syncFolder(s.dir))
}

func (s *Store) syncFolder(dir string) error {
	s.guard.syncs.Add(1)
	return syncFolder(s.files, dir)
}

func (s *Store) synced(f vfs.File) error {
	s.guard.syncs.Add(1)
	return f.Sync()
}

// blobWriter hashes what it writes, and stops before the disk is full.
type blobWriter struct {
	vfs.File
	sum  hash.Hash
	room func(int) error
	err  error // what stopped it
}

// Write may leave p changed, as vfs.File allows, so it is hashed first.
func (w *blobWriter) Write(p []byte) (int, error) {
	if w.err = w.room(len(p)); w.err != nil {
		return 0, w.err
	}
	w.sum.Write(p)
	n, err := w.File.Write(p)
	w.err = err
	return n, err
}

// Blob implements store.Driver.
func (s *Store) Blob(ctx context.Context, ref event.BlobRef) (io.ReadCloser, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.closed.leave()
	hexDigest, err := store.ParseDigest(ref.Digest)
	if err != nil {
		return nil, err
	}
	f, err := s.files.Open(s.path(blobFolder, hexDigest[:2], hexDigest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, store.NoBlob(ref.Digest)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	return store.Verify(f, ref.Digest), nil
}

// removeLeftovers removes blobs that a crash left unfinished.
func removeLeftovers(files vfs.FS, dir string) {
	names, err := files.List(files.PathJoin(dir, blobFolder))
	if err != nil {
		return
	}
	for _, name := range names {
		if strings.HasPrefix(name, tempPrefix) {
			_ = files.Remove(files.PathJoin(dir, blobFolder, name))
		}
	}
}
