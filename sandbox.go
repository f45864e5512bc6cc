package bulkhead

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/live"
	"github.com/bulkhead-dev/bulkhead/internal/service"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Sandbox is a sandbox that stays: it runs any number of commands, one beside
// the other. They share its files, processes and limits, and are not isolated
// from each other. It is safe for concurrent use.
//
// Paths are the sandbox's own: absolute, as a command inside sees them. No
// method follows a link out of it.
type Sandbox struct{ live *live.Sandbox }

// Option changes how a sandbox is started.
type Option func(*service.Opening)

// Workspace makes a folder of the host the sandbox's work folder, to read and
// write. Without it the work folder is private and empty.
func Workspace(dir string) Option { return func(o *service.Opening) { o.Workspace = dir } }

// Idle ends the sandbox when nothing was asked of it for a time.
func Idle(d time.Duration) Option { return func(o *service.Opening) { o.Idle = d } }

// NewSandbox starts a sandbox that stays until it is closed, has been idle for
// too long, or this process ends. ctx bounds the start only.
func (r *Runtime) NewSandbox(ctx context.Context, p policy.Policy, opts ...Option) (*Sandbox, error) {
	s, err := r.sandboxes.Open(ctx, opening(p, opts))
	if err != nil {
		return nil, err
	}
	return &Sandbox{live: s}, nil
}

func opening(p policy.Policy, opts []Option) service.Opening {
	o := service.Opening{Policy: p}
	for _, change := range opts {
		change(&o)
	}
	return o
}

// Stock keeps sandboxes ready that nobody has used. Each is given away once.
type Stock struct{ live *live.Stock }

// NewStock begins to prepare n sandboxes of one policy, and prepares another
// whenever one is taken. They cannot share a Workspace.
func (r *Runtime) NewStock(p policy.Policy, n int, opts ...Option) (*Stock, error) {
	s, err := r.sandboxes.Stock(opening(p, opts), n)
	if err != nil {
		return nil, err
	}
	return &Stock{live: s}, nil
}

// Take gives a sandbox away: one that is ready, else one that is started now.
func (s *Stock) Take(ctx context.Context) (*Sandbox, error) {
	box, err := s.live.Take(ctx)
	if err != nil {
		return nil, err
	}
	return &Sandbox{live: box}, nil
}

// Ready is how many sandboxes wait.
func (s *Stock) Ready() int { return s.live.Ready() }

// Close ends the sandboxes that nobody took. It may be called twice.
func (s *Stock) Close() error { return s.live.Close() }

// Close ends the sandbox: its processes are asked to stop, and killed two
// seconds later. It returns when all is gone, and may be called twice.
func (s *Sandbox) Close() error { return s.live.Close() }

// Kill is Close without asking.
func (s *Sandbox) Kill() error { return s.live.Kill() }

// Done is closed when the sandbox has ended.
func (s *Sandbox) Done() <-chan struct{} { return s.live.Done() }

// Err returns why the sandbox ended; nil while it lives.
func (s *Sandbox) Err() error { return s.live.Err() }

// Dir is the work folder's path inside, where commands start.
func (s *Sandbox) Dir() string { return s.live.Dir() }

// Report is what was enforced around the sandbox, and what was refused so far.
func (s *Sandbox) Report() event.Report { return s.live.Report() }

// Pause stops every process, and Resume lets them go on. Meanwhile whatever
// asks something of the inside waits. They fail with Unsupported where the
// host does not let us.
func (s *Sandbox) Pause() error { return s.live.Pause() }

// Resume lets a paused sandbox go on; see Pause.
func (s *Sandbox) Resume() error { return s.live.Resume() }

// Limit changes what its processes may use together: memory, CPUs and PIDs.
// Zero fields stay as they are.
func (s *Sandbox) Limit(l policy.Limits) error { return s.live.Limit(l) }

// Usage is what a sandbox's processes use together, by the kernel's counters.
// What this host does not count is zero.
type Usage struct {
	CPU        time.Duration // so far
	Memory     int64         // bytes now
	MemoryPeak int64         // bytes at most, so far
	PIDs       int64         // processes and threads now
	Read       int64         // bytes read from block devices
	Written    int64         // bytes written to them
	OOMKills   int64         // processes that the memory limit ended
	PIDsDenied int64         // processes that the limit on them refused
}

// Usage tells what its processes use.
func (s *Sandbox) Usage() (Usage, error) {
	u, err := s.live.Usage()
	return Usage(u), err
}

// Dial connects to a TCP port on the sandbox's loopback.
func (s *Sandbox) Dial(ctx context.Context, port uint16) (io.ReadWriteCloser, error) {
	return s.live.DialPort(ctx, port)
}

// Forward serves connections to l from the sandbox's port until ctx ends. It
// closes l.
func (s *Sandbox) Forward(ctx context.Context, l net.Listener, port uint16) error {
	return s.live.Forward(ctx, l, port)
}
