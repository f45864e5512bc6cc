//go:build linux

package wire

import (
	"io"
	"sync"

	"golang.org/x/sys/unix"
)

// Transport moves bytes, and descriptors where it can. Recv is called by one
// goroutine at a time, and so is Send; Close ends both.
type Transport interface {
	// Recv reads at least one byte, and the descriptors that came with them.
	// It returns io.EOF when the peer has gone.
	Recv(p []byte) (n int, fds []int, err error)
	// Send writes all of p; the descriptors go with its first byte.
	Send(p []byte, fds []int) error
	// Rights reports whether descriptors can travel.
	Rights() bool
	Close() error
}

// The sizes of the read buffer: what it has at rest, and from where on it is
// given back.
const (
	restBuffer  = 4 << 10
	largeBuffer = 128 << 10
	maxQueued   = 4 * MaxFDs // descriptors that no frame has claimed yet
)

// Conn carries frames over a transport. One goroutine may read while any
// number write.
type Conn struct {
	t     Transport
	limit int // payload of a frame that is read

	buf        []byte
	start, end int   // what is unread of buf
	fds        []int // arrived, not yet claimed by a frame

	mu  sync.Mutex // guards out and sending
	out []byte
}

// NewConn returns a connection that refuses to read payloads above limit:
// MaxRequest in a guest, MaxReply on a host.
func NewConn(t Transport, limit int) *Conn {
	return &Conn{t: t, limit: limit, buf: make([]byte, restBuffer)}
}

// Rights reports whether this end's transport carries descriptors.
func (c *Conn) Rights() bool { return c.t.Rights() }

// Close ends reading and writing.
func (c *Conn) Close() error { return c.t.Close() }

// Discard closes the descriptors that no frame claimed. It is for the reader,
// after its last Read.
func (c *Conn) Discard() {
	CloseAll(c.fds)
	c.fds = nil
}

// Read returns the next frame. It fails with io.EOF between frames, with
// io.ErrUnexpectedEOF within one, with fault.Corrupt for what no peer may
// send, and with the transport's error. After an error the connection is done.
func (c *Conn) Read() (Frame, error) {
	if err := c.fill(HeaderSize); err != nil {
		return Frame{}, err
	}
	h, err := parseHeader(c.buf[c.start:c.end], c.limit)
	if err != nil {
		return Frame{}, err
	}
	if err := c.fill(HeaderSize + h.size); err != nil {
		return Frame{}, err
	}
	f := Frame{Kind: h.kind, Index: h.index, ID: h.id}
	f.Payload = c.buf[c.start+HeaderSize : c.start+HeaderSize+h.size : c.start+HeaderSize+h.size]
	c.start += HeaderSize + h.size
	if h.fds > len(c.fds) {
		return Frame{}, broken("a frame claims %d descriptors, %d came", h.fds, len(c.fds))
	}
	if h.fds > 0 {
		f.FDs = append([]int(nil), c.fds[:h.fds]...)
		c.fds = append(c.fds[:0], c.fds[h.fds:]...)
	}
	return f, nil
}

// fill reads until n bytes are there.
func (c *Conn) fill(n int) error {
	c.room(n)
	for c.end-c.start < n {
		got, fds, err := c.t.Recv(c.buf[c.end:])
		c.fds = append(c.fds, fds...)
		c.end += got
		switch {
		case len(c.fds) > maxQueued:
			return broken("%d descriptors without a frame", len(c.fds))
		case err == io.EOF && c.end > c.start:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
	}
	return nil
}

// room makes the buffer large enough for n unread bytes, and small again when
// it is empty.
func (c *Conn) room(n int) {
	unread := c.end - c.start
	switch {
	case n > len(c.buf):
		b := make([]byte, max(n, restBuffer))
		copy(b, c.buf[c.start:c.end])
		c.buf = b
	case unread == 0 && len(c.buf) > largeBuffer:
		c.buf = make([]byte, restBuffer)
	case len(c.buf)-c.start < n || unread == 0:
		copy(c.buf, c.buf[c.start:c.end])
	default:
		return
	}
	c.start, c.end = 0, unread
}

// Send writes one message. The descriptors stay the caller's.
func (c *Conn) Send(kind Kind, id uint64, m Message, fds ...int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	out, err := Encode(append(c.out[:0], make([]byte, HeaderSize)...), m)
	if err != nil {
		return err
	}
	return c.send(Frame{Kind: kind, ID: id, FDs: fds}, out)
}

// Write writes one frame with a payload as it is.
func (c *Conn) Write(f Frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := append(c.out[:0], make([]byte, HeaderSize)...)
	return c.send(f, append(out, f.Payload...))
}

// send puts the header before the payload that stands in out from HeaderSize
// on, and sends both.
func (c *Conn) send(f Frame, out []byte) error {
	h := header{size: len(out) - HeaderSize, kind: f.Kind, fds: len(f.FDs), index: f.Index, id: f.ID}
	h.append(out[:0])
	c.out = out[:0]
	if cap(out) > largeBuffer {
		c.out = nil
	}
	return c.t.Send(out, f.FDs)
}

// CloseAll closes descriptors.
func CloseAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}
