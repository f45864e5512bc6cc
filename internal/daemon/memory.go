package daemon

import (
	"context"
	"net"
	"sync"
)

// memory is a listener whose connections never leave the process.
type memory struct {
	conns chan net.Conn
	quit  chan struct{}
	once  sync.Once
}

var _ net.Listener = (*memory)(nil)

func newMemory() *memory {
	return &memory{conns: make(chan net.Conn), quit: make(chan struct{})}
}

// dial opens a connection to whoever accepts.
func (m *memory) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case m.conns <- theirs:
		return ours, nil
	case <-m.quit:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Accept waits for the next connection.
func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.quit:
		return nil, net.ErrClosed
	}
}

// Close stops accepting. It may be called twice.
func (m *memory) Close() error {
	m.once.Do(func() { close(m.quit) })
	return nil
}

// Addr names the listener.
func (m *memory) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }
