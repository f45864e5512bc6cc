//go:build linux

package inside

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// connection is a socket of which each direction ends by itself.
type connection struct {
	mu   sync.Mutex // guards below
	f    *os.File   // nil: not connected yet
	left int        // directions that have not ended
}

// open connects to a loopback port.
func (c *connection) open(port int) error {
	fd, err := connect(port)
	if err != nil {
		return err
	}
	_ = unix.SetNonblock(fd, true)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.f = os.NewFile(uintptr(fd), "connection")
	if c.left == 0 {
		_ = c.f.Close()
	}
	return nil
}

func (c *connection) file() *os.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.f
}

// half is one direction.
type half struct {
	c    *connection
	how  int
	once sync.Once
}

func (h *half) Read(p []byte) (int, error)  { return h.c.file().Read(p) }
func (h *half) Write(p []byte) (int, error) { return h.c.file().Write(p) }

// Close ends the direction, and with the second one the connection.
func (h *half) Close() error {
	h.once.Do(h.close)
	return nil
}

func (h *half) close() {
	h.c.mu.Lock()
	defer h.c.mu.Unlock()
	h.c.left--
	if h.c.f == nil {
		return
	}
	if raw, err := h.c.f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), h.how) })
	}
	if h.c.left == 0 {
		_ = h.c.f.Close()
	}
}
