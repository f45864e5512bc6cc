//go:build linux

package guest

import (
	"context"
	"io"
	"net"
	"strconv"
	"sync"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// Conn is a connection to a port inside.
type Conn interface {
	io.ReadWriteCloser
	// CloseWrite tells the other end that no more comes.
	CloseWrite() error
}

// DialPort connects to a TCP port on the sandbox's loopback. A port that
// nobody listens on is fault.Unavailable.
func (c *Client) DialPort(ctx context.Context, port uint16) (Conn, error) {
	conn, err := c.dialPort(ctx, port)
	if err != nil {
		return nil, doing("connect to port", strconv.Itoa(int(port)), err)
	}
	return conn, nil
}

func (c *Client) dialPort(ctx context.Context, port uint16) (Conn, error) {
	if c.mux != nil {
		return c.dialFramed(ctx, port)
	}
	k, err := c.begin(wire.KindDial, &wire.Dial{Port: port}, nil, nil)
	if err != nil {
		return nil, err
	}
	if err := k.wait(ctx, &wire.Empty{}); err != nil {
		return nil, err
	}
	fd, err := one(k.takeFDs())
	if err != nil {
		c.end(err)
		return nil, err
	}
	conn, err := connection(fd, port)
	if err != nil {
		c.end(err)
		return nil, err
	}
	return conn, nil
}

func (c *Client) dialFramed(ctx context.Context, port uint16) (Conn, error) {
	var d duplex
	s := streams{c: c}
	k, err := c.begin(wire.KindDial, &wire.Dial{Port: port}, nil, func(id uint64) (fds []int, err error) {
		s.id = id
		if d.w, err = s.writer(0); err == nil {
			d.ReadCloser, err = s.reader(1)
		}
		return nil, err
	})
	if err == nil {
		err = k.wait(ctx, &wire.Empty{})
	}
	if err != nil {
		s.abandon()
		return nil, err
	}
	return &d, nil
}

// takeFDs hands out the descriptors of the answer.
func (k *call) takeFDs() []int {
	k.mu.Lock()
	defer k.mu.Unlock()
	fds := k.fds
	k.fds = nil
	return fds
}

// Forward serves connections to l from the sandbox's port, until ctx ends or l
// fails. It closes l and waits for its connections to end; the end of ctx ends
// them.
func (c *Client) Forward(ctx context.Context, l net.Listener, port uint16) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return stopped(ctx)
		}
		if err != nil {
			_ = l.Close()
			return fault.Newf(fault.Unavailable, "accept: %w", err)
		}
		group.Go(func() { c.forward(ctx, conn, port) })
	}
}

// forward joins one connection. A port that nobody listens on closes it.
func (c *Client) forward(ctx context.Context, outer net.Conn, port uint16) {
	defer outer.Close()
	inner, err := c.DialPort(ctx, port)
	if err != nil {
		return
	}
	defer inner.Close()
	stop := context.AfterFunc(ctx, func() { _ = inner.Close(); _ = outer.Close() })
	defer stop()
	var group sync.WaitGroup
	group.Go(func() {
		_, _ = io.Copy(inner, outer)
		_ = inner.CloseWrite()
	})
	_, _ = io.Copy(outer, inner)
	if half, ok := outer.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	group.Wait()
}
