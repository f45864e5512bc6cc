//go:build linux && !amd64

package spawn

import "github.com/bulkhead-dev/bulkhead/internal/fault"

// Launcher is the assembly loop, which exists on amd64 only.
type Launcher struct{}

// Start answers fault.Unsupported on this architecture.
func (l *Launcher) Start(*Program, []int, int) (pid, pidfd int, err error) {
	return 0, -1, fault.New(fault.Unsupported, "the fast launcher has not been ported to this architecture; use the re-exec launcher")
}
