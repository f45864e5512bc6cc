package pebble

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// guardFS passes everything that changes the disk through a guard.
type guardFS struct {
	vfs.FS
	guard *guard
}

// mergeCategories are what the database calls its merges of tables.
var mergeCategories = map[vfs.DiskWriteCategory]bool{
	"pebble-compaction": true, "pebble-blob-file-rewrite": true,
}

func (g guardFS) file(name string, c vfs.DiskWriteCategory, open func() (vfs.File, error)) (vfs.File, error) {
	to := target{name, mergeCategories[c]}
	var f vfs.File
	err := g.guard.write(to, true, func() (err error) { f, err = open(); return })
	if err != nil {
		if to.spare {
			time.Sleep(mergePause)
		}
		return nil, err
	}
	return &guardFile{File: f, to: to, guard: g.guard}, nil
}

// Create implements vfs.FS.
func (g guardFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return g.file(name, c, func() (vfs.File, error) { return g.FS.Create(name, c) })
}

// OpenReadWrite implements vfs.FS.
func (g guardFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return g.file(name, c, func() (vfs.File, error) { return g.FS.OpenReadWrite(name, c, opts...) })
}

// ReuseForWrite implements vfs.FS.
func (g guardFS) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return g.file(newname, c, func() (vfs.File, error) { return g.FS.ReuseForWrite(oldname, newname, c) })
}

// OpenDir implements vfs.FS.
func (g guardFS) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &guardFile{File: f, to: target{name: name}, guard: g.guard}, nil
}

// Link implements vfs.FS.
func (g guardFS) Link(oldname, newname string) error {
	return g.guard.write(target{name: newname}, true, func() error { return g.FS.Link(oldname, newname) })
}

// Rename implements vfs.FS.
func (g guardFS) Rename(oldname, newname string) error {
	return g.guard.write(target{name: newname}, true, func() error { return g.FS.Rename(oldname, newname) })
}

// MkdirAll implements vfs.FS. Folders are their owner's only.
func (g guardFS) MkdirAll(dir string, _ os.FileMode) error {
	return g.guard.write(target{name: dir}, true, func() error { return g.FS.MkdirAll(dir, 0o700) })
}

// Remove implements vfs.FS. The database copes with its failure.
func (g guardFS) Remove(name string) error {
	return g.guard.pass(func() error { return g.FS.Remove(name) })
}

// RemoveAll implements vfs.FS. The database copes with its failure.
func (g guardFS) RemoveAll(name string) error {
	return g.guard.pass(func() error { return g.FS.RemoveAll(name) })
}

// Lock implements vfs.FS. The store holds the lock already.
func (g guardFS) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

// Unwrap implements vfs.FS.
func (g guardFS) Unwrap() vfs.FS { return g.FS }

// guardFile is a file of a guardFS.
type guardFile struct {
	vfs.File
	to    target
	guard *guard

	mu     sync.Mutex // guards below
	broken error      // the first failure of a merge; nothing is tried after it
}

func (f *guardFile) write(retriable bool, op func() error) error {
	f.mu.Lock()
	broken := f.broken
	f.mu.Unlock()
	if broken != nil {
		return broken
	}
	err := f.guard.write(f.to, retriable, op)
	if err != nil && f.to.spare {
		f.mu.Lock()
		f.broken = err
		f.mu.Unlock()
		time.Sleep(mergePause)
	}
	return err
}

// Write implements vfs.File. A second try goes on where the first one stopped.
func (f *guardFile) Write(p []byte) (int, error) {
	done := 0
	err := f.write(true, func() error {
		n, err := f.File.Write(p[done:])
		done += n
		return err
	})
	return done, err
}

// WriteAt implements vfs.File.
func (f *guardFile) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.write(true, func() error { n, err = f.File.WriteAt(p, off); return err })
	return n, err
}

// Sync implements vfs.File. A failed sync is never tried again: the kernel
// has forgotten what it could not write.
func (f *guardFile) Sync() error {
	f.guard.syncs.Add(1)
	return f.write(false, f.File.Sync)
}

// SyncData implements vfs.File.
func (f *guardFile) SyncData() error {
	f.guard.syncs.Add(1)
	return f.write(false, f.File.SyncData)
}

// SyncTo implements vfs.File.
func (f *guardFile) SyncTo(length int64) (full bool, err error) {
	err = f.write(false, func() error { full, err = f.File.SyncTo(length); return err })
	if full {
		f.guard.syncs.Add(1)
	}
	return full, err
}

// Preallocate implements vfs.File. It is a wish: its failure is none.
func (f *guardFile) Preallocate(offset, length int64) error {
	return f.guard.pass(func() error { return f.File.Preallocate(offset, length) })
}

// Close implements vfs.File.
func (f *guardFile) Close() error {
	return f.guard.pass(f.File.Close)
}
