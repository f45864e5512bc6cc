//go:build linux

package inside

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// halves is a connection of which each direction ends by itself.
type halves struct {
	*os.File

	mu   sync.Mutex // guards below
	left int
}

// half is one direction.
type half struct {
	*halves
	how int
}

// Close ends the direction, and with the second one the connection.
func (h half) Close() error {
	raw, err := h.SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), h.how) })
	}
	h.mu.Lock()
	h.left--
	last := h.left == 0
	h.mu.Unlock()
	if last {
		return h.File.Close()
	}
	return nil
}
