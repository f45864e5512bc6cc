package live

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/guest"
)

// use counts what is under way beyond the guest's requests: connections to
// ports inside.
type use struct {
	mu    sync.Mutex // guards below
	n     int
	ended time.Time
}

func (u *use) begin() {
	u.mu.Lock()
	u.n++
	u.mu.Unlock()
}

func (u *use) end() {
	u.mu.Lock()
	u.n--
	u.ended = time.Now()
	u.mu.Unlock()
}

func (u *use) busy() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.n > 0
}

func (u *use) last() time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.ended
}

// DialPort connects to a TCP port on the sandbox's loopback. Until the
// connection is closed the sandbox is not idle.
func (s *Sandbox) DialPort(ctx context.Context, port uint16) (guest.Conn, error) {
	c, err := s.Client.DialPort(ctx, port)
	if err != nil {
		return nil, err
	}
	s.use.begin()
	return &countedConn{Conn: c, ended: sync.OnceFunc(s.use.end)}, nil
}

// Forward serves connections to l from the sandbox's port; see
// guest.Client.Forward. Meanwhile the sandbox is not idle.
func (s *Sandbox) Forward(ctx context.Context, l net.Listener, port uint16) error {
	s.use.begin()
	defer s.use.end()
	return s.Client.Forward(ctx, l, port)
}

// countedConn is a connection that says when it was closed.
type countedConn struct {
	guest.Conn
	ended func()
}

// Close ends the connection.
func (c *countedConn) Close() error {
	defer c.ended()
	return c.Conn.Close()
}
