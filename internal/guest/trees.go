//go:build linux

package guest

import (
	"context"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest/tree"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// TreeOptions bound a transfer of a folder. Both limits must be given.
type TreeOptions struct {
	Bytes   int64 // the most that its files may hold together
	Entries int64 // the most files, folders and links
	// Links says what a download does with symbolic links that lead out of
	// the folder. An upload makes them as they are.
	Links tree.Links
	// SkipOthers leaves sockets, pipes and devices out instead of failing.
	SkipOthers bool
}

func (o TreeOptions) of() tree.Options {
	return tree.Options{Bytes: o.Bytes, Entries: o.Entries, Links: o.Links, SkipOthers: o.SkipOthers}
}

// Upload copies the content of the host's folder dir into the sandbox's folder
// path, which is made if it is missing. Links in dir are copied, not followed.
func (c *Client) Upload(ctx context.Context, dir, path string, opt TreeOptions) (tree.Sum, error) {
	fd, err := openFolder(dir)
	if err != nil {
		return tree.Sum{}, err
	}
	defer unix.Close(fd)
	var sum tree.Sum
	var answer wire.TreeSum
	req := &wire.Tree{Path: path, Bytes: opt.Bytes, Entries: opt.Entries}
	err = c.put(ctx, wire.KindUpload, req, &answer, func(w io.Writer) error {
		var err error
		sum, err = tree.Send(w, fd, opt.of())
		return err
	})
	return sum, doing("upload to", path, err)
}

// Download copies the content of the sandbox's folder path into the host's
// folder dir, which must be there. Whatever the sandbox sends, nothing is
// written beside dir, and through no link or file that is in it.
func (c *Client) Download(ctx context.Context, path, dir string, opt TreeOptions) (tree.Sum, error) {
	fd, err := openFolder(dir)
	if err != nil {
		return tree.Sum{}, err
	}
	defer unix.Close(fd)
	sum, err := c.download(ctx, path, fd, opt)
	return sum, doing("download", path, err)
}

func (c *Client) download(ctx context.Context, path string, dir int, opt TreeOptions) (tree.Sum, error) {
	var r io.ReadCloser
	s := streams{c: c, size: bulk}
	req := &wire.Tree{Path: path, Bytes: opt.Bytes, Entries: opt.Entries, SkipOthers: opt.SkipOthers}
	k, err := c.begin(wire.KindDownload, req, nil, func(id uint64) (fds []int, err error) {
		s.id = id
		r, err = s.reader(0)
		return s.sent, err
	})
	s.release()
	if err != nil {
		s.abandon()
		return tree.Sum{}, err
	}
	stop := context.AfterFunc(ctx, func() { _ = r.Close() })
	sum, err := tree.Receive(r, dir, opt.of())
	stop()
	_ = r.Close()
	if ctx.Err() != nil {
		k.drop()
		return sum, stopped(ctx)
	}
	if err != nil && fault.KindOf(err) != fault.Corrupt {
		k.drop()
		return sum, err
	}
	// A stream that is cut short is the guest's error, which says more.
	var answer wire.TreeSum
	if e := k.wait(ctx, &answer); e != nil {
		return sum, e
	}
	sum.Left += answer.Left
	return sum, err
}

// openFolder opens a folder of the host.
func openFolder(dir string) (int, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fault.Newf(fault.Invalid, "open folder: %w", &os.PathError{Op: "open", Path: dir, Err: err})
	}
	return fd, nil
}
