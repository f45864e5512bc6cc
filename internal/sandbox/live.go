package sandbox

import (
	"context"
	"net"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
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

	// Report is what was put up around it.
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
}
