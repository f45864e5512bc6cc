package keeper

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest"
)

// Copied is what a copy moved.
type Copied struct {
	Entries, Bytes, Left int64
	Path                 string // what was written
}

// The bounds of a copied folder.
const (
	maxCopyBytes   = 64 << 30
	maxCopyEntries = 4 << 20
)

var bounds = guest.TreeOptions{Bytes: maxCopyBytes, Entries: maxCopyEntries, SkipOthers: true}

// CopyIn copies a file or a folder of the host into the sandbox. As with
// cp(1), a folder that is there gets it beneath; a source that ends in "/."
// means a folder's content.
func (b *Box) CopyIn(ctx context.Context, host, to string) (Copied, error) {
	info, err := os.Stat(host)
	if err != nil {
		return Copied{}, hostError(err)
	}
	if !strings.HasSuffix(host, "/.") {
		there, err := b.Stat(ctx, to)
		switch {
		case err == nil && there.IsDir():
			to = path.Join(to, filepath.Base(host))
		case err == nil, errors.Is(err, fs.ErrNotExist):
		default:
			return Copied{}, err
		}
	}
	if info.IsDir() {
		sum, err := b.Upload(ctx, host, to, bounds)
		return Copied{sum.Entries, sum.Bytes, sum.Left, to}, err
	}
	// Opened without waiting for a pipe's other end.
	f, err := os.OpenFile(host, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return Copied{}, hostError(err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil || !info.Mode().IsRegular() {
		return Copied{}, fault.Newf(fault.Invalid, "%s is not a regular file or a folder", host)
	}
	n, err := b.WriteFile(ctx, to, f, guest.WriteOptions{Mode: info.Mode().Perm(), Atomic: true})
	return Copied{1, n, 0, to}, err
}

// CopyOut copies a file or a folder of the sandbox to the host, in the same
// manner. What the sandbox sends is written nowhere else.
func (b *Box) CopyOut(ctx context.Context, from, host string) (Copied, error) {
	info, err := b.Stat(ctx, from)
	if err != nil {
		return Copied{}, err
	}
	there, err := os.Stat(host)
	switch {
	case err == nil && there.IsDir() && !strings.HasSuffix(from, "/."):
		base := path.Base(path.Clean(from))
		if base == "/" || base == "." || base == ".." {
			return Copied{}, fault.Newf(fault.Invalid, "%s has no name of its own; copy %s/. instead", from, strings.TrimSuffix(from, "/"))
		}
		host = filepath.Join(host, base)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return Copied{}, hostError(err)
	}
	if info.IsDir() {
		if err := os.MkdirAll(host, 0o755); err != nil {
			return Copied{}, hostError(err)
		}
		sum, err := b.Download(ctx, from, host, bounds)
		return Copied{sum.Entries, sum.Bytes, sum.Left, host}, err
	}
	n, err := b.fetch(ctx, from, host)
	return Copied{1, n, 0, host}, err
}

// fetch copies one file: the host's is replaced when all of it is there.
func (b *Box) fetch(ctx context.Context, from, host string) (int64, error) {
	r, err := b.Open(ctx, from, 0, 0)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	tmp, err := os.CreateTemp(filepath.Dir(host), ".bulkhead-copy-*")
	if err != nil {
		return 0, hostError(err)
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	n, err := io.Copy(tmp, io.LimitReader(r, maxCopyBytes))
	if err != nil {
		return n, err
	}
	if n == maxCopyBytes {
		return n, fault.Newf(fault.Exhausted, "%s has %d bytes or more", from, int64(maxCopyBytes))
	}
	if err := errors.Join(tmp.Chmod(r.Info.Mode.Perm()), tmp.Close()); err != nil {
		return n, hostError(err)
	}
	if err := os.Rename(tmp.Name(), host); err != nil {
		return n, hostError(err)
	}
	return n, nil
}

// hostError gives an error of a host file its kind.
func hostError(err error) error {
	kind := fault.Unavailable
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind = fault.NotFound
	case errors.Is(err, fs.ErrPermission):
		kind = fault.Denied
	case errors.Is(err, fs.ErrExist), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.EISDIR):
		kind = fault.Invalid
	}
	return fault.Newf(kind, "on the host: %w", err)
}
