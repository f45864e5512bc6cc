package live

import (
	"sync"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/guest"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
)

// memoryKills tells which commands the memory limit has ended.
type memoryKills struct {
	mu   sync.Mutex // guards below
	seen int64      // kills that an exit has been explained with
}

// explains reports whether a command that was killed was so for its memory:
// the kernel counts these kills, and each explains one exit.
func (k *memoryKills) explains(m sandbox.Machine, e guest.Exit) bool {
	if e.Signal != unix.SIGKILL && e.Code != 128+int(unix.SIGKILL) {
		return false
	}
	u, err := m.Usage()
	if err != nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if u.OOMKills <= k.seen {
		return false
	}
	k.seen = u.OOMKills
	return true
}
