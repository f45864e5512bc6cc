//go:build linux

package guest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// File is a file of the sandbox that is being read. Close it.
type File struct {
	Info FileInfo // when it was opened

	c    *Client
	ctx  context.Context
	r    io.ReadCloser
	call *call
	stop func() bool

	mu   sync.Mutex // guards below
	read int64
	err  error // what Read returns at the end; nil: not known yet
}

// Open opens the regular file at path for reading n bytes from offset; a zero
// n means to the end. A folder is refused with fault.Invalid, and so are pipes,
// sockets and devices. When ctx ends, so does reading.
func (c *Client) Open(ctx context.Context, path string, offset, n int64) (*File, error) {
	f, err := c.open(ctx, &wire.Read{Path: path, Offset: offset, Limit: n})
	return f, doing("open", path, err)
}

func (c *Client) open(ctx context.Context, req *wire.Read) (*File, error) {
	f := &File{c: c, ctx: ctx}
	opened := make(chan struct{})
	part := func(payload []byte, fds []int) error {
		var m wire.Info
		if err := noFDs(fds); err != nil {
			return err
		}
		if err := wire.Parse(payload, &m); err != nil {
			return err
		}
		if f.Info.Name != "" || !element(m.Name) {
			return breach("a file that was opened twice, or has no name")
		}
		f.Info = infoOf(&m)
		close(opened)
		return nil
	}
	s := streams{c: c, size: bulk}
	k, err := c.begin(wire.KindRead, req, part, func(id uint64) (fds []int, err error) {
		s.id = id
		f.r, err = s.reader(0)
		return s.sent, err
	})
	s.release()
	if err != nil {
		s.abandon()
		return nil, err
	}
	f.call = k
	select {
	case <-opened:
	case <-k.done:
	case <-ctx.Done():
	}
	switch {
	case isClosed(opened):
		f.stop = context.AfterFunc(ctx, func() { _ = f.r.Close() })
		return f, nil
	case k.over():
		err = k.wait(ctx, &wire.Count{})
		if err == nil {
			err = c.blame("a file that was never opened")
		}
	default:
		k.drop()
		err = stopped(ctx)
	}
	s.abandon()
	return nil, err
}

// blame ends the session for a breach that was noticed late.
func (c *Client) blame(what string) error {
	err := breach(what)
	c.end(err)
	return err
}

// Read reads on. It returns io.EOF only when the sandbox says that this was
// all, and an error when the stream ended otherwise.
func (f *File) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	f.mu.Lock()
	f.read += int64(n)
	f.mu.Unlock()
	switch {
	case err == nil || n > 0:
		return n, nil
	case errors.Is(err, os.ErrClosed) && f.ctx.Err() == nil:
		return 0, err
	}
	return 0, f.end()
}

// WriteTo copies what is left to w, without a copy in between if the kernel
// can.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	n, err := io.Copy(w, f.r)
	f.mu.Lock()
	f.read += n
	f.mu.Unlock()
	if err != nil {
		return n, err
	}
	if err := f.end(); err != io.EOF {
		return n, err
	}
	return n, nil
}

// end compares what came with what the guest says it sent.
func (f *File) end() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	var sent wire.Count
	f.err = f.call.wait(f.ctx, &sent)
	switch {
	case f.err != nil:
	case sent.N != f.read:
		f.err = f.c.blame("a stream of another length than was said")
	default:
		f.err = io.EOF
	}
	return f.err
}

// Close ends reading. It may be called again.
func (f *File) Close() error {
	f.stop()
	_ = f.r.Close()
	if !f.call.over() {
		f.call.drop()
	}
	return nil
}

// ReadFile reads a whole file of at most limit bytes; a larger one is
// fault.Exhausted.
func (c *Client) ReadFile(ctx context.Context, path string, limit int64) ([]byte, error) {
	f, err := c.Open(ctx, path, 0, limit+1)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var b bytes.Buffer
	b.Grow(int(min(f.Info.Size, limit, 1<<20)) + bytes.MinRead) // a hint from the guest
	if _, err := b.ReadFrom(io.LimitReader(f, limit+1)); err != nil {
		return nil, doing("read", path, err)
	}
	if int64(b.Len()) > limit {
		return nil, fault.Newf(fault.Exhausted, "read %q: it has more than %d bytes", path, limit)
	}
	return b.Bytes(), nil
}

// WriteOptions say how a file is written. The zero WriteOptions replace its
// content in place and make it, with mode 0644, if it is missing.
type WriteOptions struct {
	Mode   fs.FileMode // permissions of a new file; 0: 0644, or those of the file that an atomic write replaces
	Atomic bool        // a new file takes the old one's place when it is complete, or never
	Append bool        // not with Atomic
	New    bool        // fail with fault.Exists if something is there
	Sync   bool        // durable on return
}

// WriteFile writes all of r to the file at path. Folders, pipes, sockets and
// devices are refused with fault.Invalid. It returns when the sandbox has all
// of it; after an error an atomic write has changed nothing.
func (c *Client) WriteFile(ctx context.Context, path string, r io.Reader, opt WriteOptions) (int64, error) {
	if opt.Atomic && opt.Append {
		return 0, fault.New(fault.Invalid, "an atomic write cannot append")
	}
	req := &wire.Write{Path: path, Mode: uint32(opt.Mode.Perm()), Atomic: opt.Atomic, Append: opt.Append, New: opt.New, Sync: opt.Sync}
	var n wire.Count
	err := c.put(ctx, wire.KindWrite, req, &n, func(w io.Writer) error {
		_, err := io.Copy(w, r)
		return err
	})
	return n.N, doing("write", path, err)
}

// put sends a request with a stream that fill writes, then how long it was,
// and waits for the answer.
func (c *Client) put(ctx context.Context, kind wire.Kind, req, answer wire.Message, fill func(io.Writer) error) error {
	var w io.WriteCloser
	s := streams{c: c, size: bulk}
	k, err := c.begin(kind, req, nil, func(id uint64) (fds []int, err error) {
		s.id = id
		w, err = s.writer(0)
		return s.sent, err
	})
	s.release()
	if err != nil {
		s.abandon()
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = w.Close() })
	counted := &counter{w: w}
	err = fill(counted)
	alive := stop()
	_ = w.Close()
	switch {
	case !alive:
		k.drop()
		return stopped(ctx)
	case err != nil && counted.err == nil: // the source failed, not the sandbox
		k.cancel()
		_ = k.wait(ctx, answer)
		return fault.Newf(fault.KindOf(err), "source: %w", err)
	}
	if err := c.conn.Send(wire.KindFinish, k.id, &wire.Count{N: counted.n}); err != nil {
		c.end(gone("send to the sandbox", err))
	}
	return errors.Join(k.wait(ctx, answer))
}

// counter counts what was written and remembers whether writing failed.
type counter struct {
	w   io.Writer
	n   int64
	err error
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	if err != nil {
		c.err = err
	}
	return n, err
}
