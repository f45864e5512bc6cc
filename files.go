package bulkhead

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"iter"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/guest"
)

// FileInfo is what the sandbox says about one of its files. It is a
// fs.FileInfo.
type FileInfo struct{ info guest.FileInfo }

var _ fs.FileInfo = (*FileInfo)(nil)

// Name is the last element of its path.
func (f *FileInfo) Name() string { return f.info.Name }

// Size is in bytes.
func (f *FileInfo) Size() int64 { return f.info.Size }

// Mode is its type and permissions.
func (f *FileInfo) Mode() fs.FileMode { return f.info.Mode }

// ModTime is when its content changed last.
func (f *FileInfo) ModTime() time.Time { return f.info.ModTime }

// IsDir reports whether it is a folder.
func (f *FileInfo) IsDir() bool { return f.info.IsDir() }

// Sys is nil.
func (f *FileInfo) Sys() any { return nil }

// Target is where a symbolic link leads.
func (f *FileInfo) Target() string { return f.info.Target }

// maxFile is the most that ReadFile takes into memory.
const maxFile = 1 << 30

// ReadFile reads a whole regular file of at most a gigabyte.
func (s *Sandbox) ReadFile(ctx context.Context, path string) ([]byte, error) {
	return s.live.ReadFile(ctx, path, maxFile)
}

// OpenFile opens a regular file for reading. The caller closes it.
func (s *Sandbox) OpenFile(ctx context.Context, path string) (io.ReadCloser, error) {
	return s.live.Open(ctx, path, 0, 0)
}

// WriteFile writes a file in one step: it has the new content when WriteFile
// returns nil, and else the old one.
func (s *Sandbox) WriteFile(ctx context.Context, path string, data []byte, perm fs.FileMode) error {
	return s.WriteFrom(ctx, path, bytes.NewReader(data), perm)
}

// WriteFrom is WriteFile for what a reader has.
func (s *Sandbox) WriteFrom(ctx context.Context, path string, r io.Reader, perm fs.FileMode) error {
	_, err := s.live.WriteFile(ctx, path, r, guest.WriteOptions{Mode: perm, Atomic: true})
	return err
}

// Stat describes a file, through symbolic links.
func (s *Sandbox) Stat(ctx context.Context, path string) (*FileInfo, error) {
	info, err := s.live.Stat(ctx, path)
	if err != nil {
		return nil, err
	}
	return &FileInfo{info}, nil
}

// Lstat describes a file or a symbolic link.
func (s *Sandbox) Lstat(ctx context.Context, path string) (*FileInfo, error) {
	info, err := s.live.Lstat(ctx, path)
	if err != nil {
		return nil, err
	}
	return &FileInfo{info}, nil
}

// ReadDir lists a folder, sorted by name.
func (s *Sandbox) ReadDir(ctx context.Context, path string) ([]*FileInfo, error) {
	list, err := s.live.ReadDir(ctx, path)
	if err != nil {
		return nil, err
	}
	out := make([]*FileInfo, len(list))
	for i, info := range list {
		out[i] = &FileInfo{info}
	}
	return out, nil
}

// MkdirAll makes a folder and those above it that are missing.
func (s *Sandbox) MkdirAll(ctx context.Context, path string, perm fs.FileMode) error {
	return s.live.MkdirAll(ctx, path, perm)
}

// Remove removes a file, a link or an empty folder.
func (s *Sandbox) Remove(ctx context.Context, path string) error { return s.live.Remove(ctx, path) }

// RemoveAll removes what stands at a path with everything beneath.
func (s *Sandbox) RemoveAll(ctx context.Context, path string) error {
	return s.live.RemoveAll(ctx, path)
}

// Rename moves a file over what stands at the new path.
func (s *Sandbox) Rename(ctx context.Context, from, to string) error {
	return s.live.Rename(ctx, from, to)
}

// Copied is what a transfer moved.
type Copied struct {
	Entries int64 // files, folders and links
	Bytes   int64
	Left    int64 // sockets, pipes and devices, which are left out
}

// The bounds of a transfer.
const (
	maxTreeBytes   = 64 << 30
	maxTreeEntries = 4 << 20
)

func treeOptions() guest.TreeOptions {
	return guest.TreeOptions{Bytes: maxTreeBytes, Entries: maxTreeEntries, SkipOthers: true}
}

// Upload copies the content of a host folder into a folder of the sandbox,
// which is made if it is missing.
func (s *Sandbox) Upload(ctx context.Context, hostDir, path string) (Copied, error) {
	sum, err := s.live.Upload(ctx, hostDir, path, treeOptions())
	return Copied(sum), err
}

// Download copies the content of a folder of the sandbox into a host folder
// that is there. Nothing is written beside it, whatever the sandbox sends; a
// link that leads out of the folder fails the transfer.
func (s *Sandbox) Download(ctx context.Context, path, hostDir string) (Copied, error) {
	sum, err := s.live.Download(ctx, path, hostDir, treeOptions())
	return Copied(sum), err
}

// Change says what happened to a file: bits.
type Change uint8

// The changes.
const (
	ChangeCreated  = Change(guest.Created)
	ChangeWritten  = Change(guest.Written)
	ChangeRemoved  = Change(guest.Removed)
	ChangeMoved    = Change(guest.Moved)
	ChangeAttrs    = Change(guest.Attrs)
	ChangeOverflow = Change(guest.Overflow) // some were lost: look at everything
)

// FileEvent is a change beneath a watched path.
type FileEvent struct {
	Path   string // relative to it; empty: itself
	Change Change
}

// Watch yields the changes to a file, or to everything beneath a folder, until
// the loop is left or ctx ends. No change is missed that comes after the first
// step of the loop's range call.
func (s *Sandbox) Watch(ctx context.Context, path string) (iter.Seq2[FileEvent, error], error) {
	w, err := s.live.Watch(ctx, path, true)
	if err != nil {
		return nil, err
	}
	return func(yield func(FileEvent, error) bool) {
		defer w.Close()
		for e, err := range w.Events() {
			if !yield(FileEvent{e.Path, Change(e.Change)}, err) {
				return
			}
		}
	}, nil
}
