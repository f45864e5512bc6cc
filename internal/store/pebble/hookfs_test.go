package pebble_test

import (
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// hookFS asks before each operation on the disk whether it may happen. The
// hook may block, and its error is the operation's.
type hookFS struct {
	vfs.FS
	mu   sync.Mutex // guards below
	hook func(op, name string) error
}

// set changes the hook; nil lets everything pass.
func (h *hookFS) set(hook func(op, name string) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hook = hook
}

func (h *hookFS) ask(op, name string) error {
	h.mu.Lock()
	hook := h.hook
	h.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(op, name)
}

func (h *hookFS) wrap(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &hookFile{f, name, h}, nil
}

func (h *hookFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	op := "create"
	if c == "pebble-compaction" {
		op = "merge"
	}
	if err := h.ask(op, name); err != nil {
		return nil, err
	}
	f, err := h.FS.Create(name, c)
	return h.wrap(name, f, err)
}

func (h *hookFS) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := h.ask("create", newname); err != nil {
		return nil, err
	}
	f, err := h.FS.ReuseForWrite(oldname, newname, c)
	return h.wrap(newname, f, err)
}

func (h *hookFS) OpenDir(name string) (vfs.File, error) {
	f, err := h.FS.OpenDir(name)
	return h.wrap(name, f, err)
}

func (h *hookFS) Unwrap() vfs.FS { return h.FS }

type hookFile struct {
	vfs.File
	name string
	fs   *hookFS
}

func (f *hookFile) Write(p []byte) (int, error) {
	if err := f.fs.ask("write", f.name); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f *hookFile) Sync() error {
	if err := f.fs.ask("sync", f.name); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *hookFile) SyncData() error {
	if err := f.fs.ask("sync", f.name); err != nil {
		return err
	}
	return f.File.SyncData()
}
