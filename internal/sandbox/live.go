package sandbox

import (
	"context"
	"net"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Booter is a layer that has live sandboxes: their first process stays and
// serves commands, files, terminals and ports.
type Booter interface {
	Layer

	// Boot puts up the walls of req, whose Args are not used, and starts the
	// first process inside. It fails as Plan and Plan.Start do. The caller
	// closes the machine, whatever became of it.
	Boot(ctx context.Context, req Request) (Machine, error)
}

// Machine is a live compartment as its layer sees it: everything beyond the
// walls goes through the connection to its first process.
type Machine interface {
	Process

	// Conn is the connection to the first process; descriptors may travel over
	// it. It belongs to the caller from the first call on.
	Conn() *net.UnixConn

	// Inside is what every command of the sandbox starts from.
	Inside() Inside
	// Report is what was put up around it, and what was refused so far.
	Report() event.Report

	// Usage says what all its processes use together, by the kernel's counters.
	Usage() (Usage, error)

	// Limit changes what its processes may use. Zero fields stay as they are.
	// It fails with fault.Unsupported for a limit that this host or layer
	// cannot change, and then changes nothing.
	Limit(policy.Limits) error

	// Freeze stops and Thaw continues every process. They fail with
	// fault.Unsupported where the host lets us not.
	Freeze() error
	Thaw() error

	// Close ends the tree, waits until it is gone, and releases everything. It
	// may be called twice.
	Close() error
}

// Usage is what a compartment's processes use together. Numbers that the host
// does not tell are zero.
type Usage struct {
	CPU        time.Duration // so far
	Memory     int64         // bytes now
	MemoryPeak int64         // bytes at most, so far
	PIDs       int64         // processes and threads now
	Read       int64         // bytes read from block devices
	Written    int64         // bytes written to them
	OOMKills   int64         // processes that the memory limit ended so far
	PIDsDenied int64         // processes and threads that the limit on them refused so far
}

// Inside is what every command of a live sandbox starts from.
type Inside struct {
	Env map[string]string // before the command's own
	Dir string            // where a command starts that names no folder
	// Strict is the system call filter of the profile strict, for a command
	// of its own (struct sock_filter, one after the other), and Key what lets
	// the first process load it. Empty where the layer cannot stack filters.
	Strict []byte
	Key    [2]uint64
}

// Boot starts a live sandbox in the layer that the policy names; none means
// native. It fails as Booter.Boot does, and with fault.Unsupported for a layer
// that is not there or has no live sandboxes.
func (m *Manager) Boot(ctx context.Context, req Request) (Machine, error) {
	l, err := m.layer(req.Policy.Layer)
	if err != nil {
		return nil, err
	}
	b, ok := l.(Booter)
	if !ok {
		return nil, fault.Newf(fault.Unsupported, "layer %q has no live sandboxes", l.Name())
	}
	return b.Boot(ctx, req)
}
