package native

import (
	"context"
	"maps"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/cgroup"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/seccomp"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/policy"
)

var _ sandbox.Booter = (*Layer)(nil)

// machine is a live sandbox: a process whose first process is bulkhead-init.
type machine struct {
	*process
	conn *net.UnixConn
	once sync.Once
	err  error // of Close

	mu     sync.Mutex // guards below
	closed bool
}

// Boot starts a live sandbox. See sandbox.Booter.
func (l *Layer) Boot(ctx context.Context, req sandbox.Request) (sandbox.Machine, error) {
	if l.opt.Init == "" {
		return nil, fault.New(fault.Unavailable, "live sandboxes need the program bulkhead-init, which was not found").
			WithHint("put bulkhead-init beside bulkhead; 'make build' builds both")
	}
	pl, err := l.plan(req, l.opt.Init)
	if err != nil {
		return nil, err
	}
	m, err := pl.boot(ctx)
	if err != nil {
		pl.Close()
		return nil, err
	}
	return m, nil
}

// boot starts the first process with one end of a connection as fd 3.
func (pl *plan) boot(_ context.Context) (*machine, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "connection to the sandbox: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "guest"), os.NewFile(uintptr(pair[1]), "guest")
	defer ours.Close()
	defer theirs.Close()
	stdio, err := deadPipes()
	if err != nil {
		return nil, err
	}
	defer closeAll(stdio[:])

	group, err := pl.group(true)
	if err != nil {
		return nil, err
	}
	pl.spec.Groups = len(group.TaskFiles()) // a live group has more controllers
	pl.program = pl.spec.Program(len(pl.maps))
	p, err := pl.launch(group, stdio, theirs)
	if err != nil {
		return nil, err
	}
	conn, err := net.FileConn(ours)
	if err != nil {
		p.Kill()
		_ = p.gone()
		group.Close()
		return nil, fault.Newf(fault.Internal, "connection to the sandbox: %w", err)
	}
	m := &machine{process: p, conn: conn.(*net.UnixConn)}
	return m, nil
}

// deadPipes are three pipes that nobody is at the other end of: the first
// process has no streams of its own.
func deadPipes() (stdio [3]*os.File, err error) {
	for i := range stdio {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(stdio[:])
			return stdio, fault.Newf(fault.Unavailable, "pipe: %w", err)
		}
		if i == 0 {
			stdio[i] = r
			w.Close()
		} else {
			stdio[i] = w
			r.Close()
		}
	}
	return stdio, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

func (m *machine) Conn() *net.UnixConn { return m.conn }

// Inside is what commands start from. The first process runs under the
// default profile, which each command narrows for itself.
func (m *machine) Inside() sandbox.Inside {
	in := sandbox.Inside{Env: maps.Clone(m.plan.env), Dir: WorkPath, Key: m.plan.key}
	if m.plan.spec.Seccomp == nil { // this host has no filters
		return in
	}
	if code, err := compiled(seccomp.Strict()); err == nil {
		in.Strict = seccomp.Bytes(code)
	}
	return in
}

// Report is what was put up around the sandbox, and what the kernel's counters
// and the trace say was refused so far.
func (m *machine) Report() event.Report {
	launcher, missing := m.plan.Describe()
	return event.Report{
		Layer: string(policy.Native), Launcher: launcher, Steps: m.plan.Steps(), Missing: missing,
		Denials: append(m.tracer.seen(), m.counted()...),
	}
}

// Usage reads the counters of the sandbox's cgroups.
func (m *machine) Usage() (sandbox.Usage, error) {
	u := m.group.Usage()
	events, err := m.group.Events()
	if err != nil {
		return sandbox.Usage{}, err
	}
	return sandbox.Usage{
		CPU: u.CPU, Memory: u.Memory, MemoryPeak: u.Peak, PIDs: u.Pids, Read: u.Read, Written: u.Written,
		OOMKills: events.OOMKills, PIDsDenied: events.PidsMax,
	}, nil
}

// Limit changes the limits that a cgroup holds.
func (m *machine) Limit(l policy.Limits) error {
	return m.group.Limit(cgroup.Limits{Memory: int64(l.Memory), Pids: int64(l.PIDs), CPUs: l.CPUs})
}

func (m *machine) Freeze() error { return m.group.Freeze() }
func (m *machine) Thaw() error   { return m.group.Thaw() }

// Terminate and Kill reach nobody once the machine was closed: the descriptor
// may be another process's by then.
func (m *machine) Terminate() { m.whileOpen(m.process.Terminate) }

// Kill ends the tree; see Terminate.
func (m *machine) Kill() { m.whileOpen(m.process.Kill) }

func (m *machine) whileOpen(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		f()
	}
}

// Close ends the tree and releases everything. A frozen process dies only
// after it was thawed: the v1 freezer holds back even SIGKILL.
func (m *machine) Close() error {
	m.once.Do(func() {
		m.Kill()
		_ = m.group.Thaw()
		m.mu.Lock()
		m.closed = true
		m.err = m.gone()
		m.mu.Unlock()
		_ = m.tracer.end()
		m.conn.Close()
		m.group.Close()
		m.plan.Close()
	})
	return m.err
}

// Wait blocks until the first process has ended. It may be called at any time.
func (m *machine) Wait() (sandbox.Exit, error) {
	fd := -1
	m.whileOpen(func() { fd, _ = unix.FcntlInt(uintptr(m.pidfd), unix.F_DUPFD_CLOEXEC, 0) })
	if fd < 0 {
		return sandbox.Exit{Code: -1}, nil
	}
	defer unix.Close(fd)
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(poll, -1); err != unix.EINTR {
			return sandbox.Exit{Code: -1}, err
		}
	}
}
