package native

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/jail"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/cgroup"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/seccomp"
	"github.com/bulkhead-dev/bulkhead/internal/trace"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// filter is the table of system calls that the policy names, and the one that
// is loaded: with a trace it asks a supervisor.
func (pl *plan) filter() (table, loaded seccomp.Filter) {
	table = seccomp.Default()
	switch {
	case pl.init != "": // the first process needs more than strict has; see machine.Inside
		table = table.Keyed()
	case pl.req.Policy.Syscalls == policy.Strict:
		table = seccomp.Strict()
	}
	if !pl.req.Policy.TraceDenials {
		return table, table
	}
	loaded = trace.Watch(table).With(seccomp.Rule{Call: "sendmsg", When: []seccomp.Cond{seccomp.Is(0, jail.TraceFD)}, Then: seccomp.Allow})
	loaded.Name = table.Name + ", traced"
	return table, loaded
}

// tracer is the supervisor of one sandbox. A nil tracer traces nothing.
type tracer struct {
	supervisor *trace.Supervisor
	stop       context.CancelFunc
	done       chan struct{}
}

// channel makes the socket on which the child sends its notification
// descriptor out. Both ends are nil without a trace.
func (pl *plan) channel() (ours, child *os.File, err error) {
	if !pl.spec.Listen {
		return nil, nil, nil
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fault.Newf(fault.Unavailable, "trace channel: %w", err)
	}
	return os.NewFile(uintptr(pair[0]), "trace"), os.NewFile(uintptr(pair[1]), "trace"), nil
}

// trace starts the supervisor of a sandbox that has just been started. Until
// it runs, every watched call waits; if it cannot run, they fail.
func (pl *plan) trace(channel *os.File, group *cgroup.Group) (*tracer, error) {
	if channel == nil {
		return nil, nil
	}
	fd, err := receive(int(channel.Fd()))
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "trace: receive the descriptor: %w", err)
	}
	arch, err := seccomp.Native()
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	table, _ := pl.filter()
	s, err := trace.New(fd, trace.Config{
		Filter: table, Arch: arch,
		Own:   pl.own(),
		Tasks: func() (int64, int64) { return group.Current(), int64(pl.limits.PIDs) },
		Steps: trace.Steps{Root: jail.StepRoot, Network: jail.StepNetwork, Seccomp: jail.StepSeccomp, Tasks: jail.StepCgroup + " pids"},
	})
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "trace: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t := &tracer{supervisor: s, stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(t.done)
		_ = s.Run(ctx)
	}()
	return t, nil
}

// own are the folders inside whose missing files are just missing.
func (pl *plan) own() []string {
	own := []string{WorkPath}
	for _, t := range pl.spec.Tmpfs {
		own = append(own, t.Target)
	}
	return own
}

// end stops the supervisor and returns what it saw.
func (t *tracer) end() []event.Denial {
	if t == nil {
		return nil
	}
	t.stop()
	<-t.done
	return t.supervisor.Denials()
}

// seen is what the supervisor saw so far.
func (t *tracer) seen() []event.Denial {
	if t == nil {
		return nil
	}
	return t.supervisor.Denials()
}

// receive takes one descriptor from a socket: unix(7), SCM_RIGHTS.
func receive(socket int) (int, error) {
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, make([]byte, 1), oob, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return -1, err
	}
	if len(messages) != 1 {
		return -1, fmt.Errorf("%d control messages", len(messages))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return -1, err
	}
	return fds[0], nil
}
