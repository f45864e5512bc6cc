//go:build linux

package inside

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// shutdown asks everything to end, and makes it end after the grace. The
// answer is the last frame; the session ends with the host's closing.
func shutdown(o *op, m *wire.Shutdown) (wire.Message, error) {
	s := o.s
	deadline := time.Now().Add(time.Duration(m.Grace))
	if m.Grace > 0 {
		s.execs.signalAll(unix.SIGTERM)
		for s.execs.alive() && time.Now().Before(deadline) {
			time.Sleep(shutdownPoll)
		}
	}
	s.execs.signalAll(unix.SIGKILL)
	return &wire.Empty{}, nil
}

const shutdownPoll = 5 * time.Millisecond
