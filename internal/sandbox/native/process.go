package native

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/jail"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/cgroup"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/spawn"
)

// process is a started command: the first process of its pid namespace, and
// with it every other one.
type process struct {
	plan   *plan
	pid    int
	pidfd  int
	status *os.File
	group  *cgroup.Group
	tracer *tracer // nil: no trace
}

var _ sandbox.Process = (*process)(nil)

// Start runs the command once. See sandbox.Plan.
func (pl *plan) Start(_ context.Context, stdio [3]*os.File) (sandbox.Process, error) {
	if err := pipesOnly(stdio); err != nil {
		return nil, err
	}
	group, err := pl.group(false)
	if err != nil {
		return nil, err
	}
	statusR, statusW, err := os.Pipe()
	if err != nil {
		group.Close()
		return nil, fault.Newf(fault.Unavailable, "status pipe: %w", err)
	}
	defer statusW.Close()
	p, err := pl.launch(group, stdio, statusW)
	if err != nil {
		statusR.Close()
		return nil, err
	}
	p.status = statusR
	return p, nil
}

// launch runs the program with the given streams and fd 3 of the first
// process. It takes over the group: when it fails, the group is gone.
func (pl *plan) launch(group *cgroup.Group, stdio [3]*os.File, third *os.File) (p *process, err error) {
	defer func() {
		if p == nil {
			group.Close()
		}
	}()
	params := jail.Params{Status: int(third.Fd())}
	params.Stdin, params.Stdout, params.Stderr = int(stdio[0].Fd()), int(stdio[1].Fd()), int(stdio[2].Fd())
	for _, f := range pl.maps {
		params.Maps = append(params.Maps, int(f.Fd()))
	}
	for _, f := range group.TaskFiles() {
		params.Groups = append(params.Groups, int(f.Fd()))
	}
	if len(params.Groups) != pl.spec.Groups {
		return nil, fault.Newf(fault.Unavailable, "%s: the host's controllers changed between plan and start", jail.StepCgroup)
	}
	if pl.spec.Joined {
		pl.ordered.Store(false)
		network, err := pl.layer.networks.take()
		if err != nil {
			return nil, fault.Newf(fault.Unsupported, "%s: %w", jail.StepNetwork, err)
		}
		defer network.Close()
		params.Network = int(network.Fd())
	}
	if pl.tree != nil {
		params.Tree = int(pl.tree.Fd())
	}
	ours, child, err := pl.channel()
	if err != nil {
		return nil, err
	}
	if child != nil {
		params.Trace = int(child.Fd())
		defer child.Close()
		defer ours.Close()
	}

	pid, pidfd, err := pl.layer.launcher.Start(pl.program, params.List(&pl.spec), group.DirFD())
	if err != nil {
		return nil, startError(err)
	}
	started := &process{plan: pl, pid: pid, pidfd: pidfd, group: group}
	if started.tracer, err = pl.trace(ours, group); err != nil {
		started.Kill()
		started.gone()
		return nil, err
	}
	return started, nil
}

// pipesOnly refuses anything else as fd 0 to 2: beneath a folder and behind a
// file of the host there is more than the policy grants, and at a terminal
// there is somebody who types.
func pipesOnly(stdio [3]*os.File) error {
	for fd, f := range stdio {
		info, err := f.Stat()
		if err != nil {
			return fault.Newf(fault.Internal, "%s: %w", jail.StepStdio, err)
		}
		if info.Mode().Type() != os.ModeNamedPipe {
			return fault.Newf(fault.Internal, "%s: descriptor %d is %s, not a pipe", jail.StepStdio, fd, info.Mode().Type())
		}
	}
	return nil
}

// group makes the sandbox's cgroups. A live one can be frozen and tells what
// it uses.
func (pl *plan) group(live bool) (*cgroup.Group, error) {
	var id [8]byte
	_, _ = rand.Read(id[:])
	g, err := pl.groups.New(hex.EncodeToString(id[:]), cgroup.Limits{
		Memory: int64(pl.limits.Memory),
		Pids:   int64(pl.limits.PIDs),
		CPUs:   pl.limits.CPUs,
		Live:   live,
	})
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "%s: %w", jail.StepCgroup, err)
	}
	return g, nil
}

// startError names the step at which a start failed.
func startError(err error) error {
	var step *spawn.StepError
	if !errors.As(err, &step) {
		return fault.Newf(fault.Internal, "start sandbox: %w", err)
	}
	return fault.Newf(fault.Unsupported, "start sandbox: %w", err).
		WithHint("run 'bulkhead doctor' to see what this host lacks for the step %q", step.Step)
}

// PID is the first process's id on the host.
func (p *process) PID() int { return p.pid }

// Terminate asks every process inside to stop: the first process passes the
// signal on. It would pass it to all of the host's if a test had left the pid
// namespace out, so then there is no asking.
func (p *process) Terminate() {
	if slices.Contains(p.plan.spec.Drop, "pid namespace") {
		p.Kill()
		return
	}
	_ = unix.PidfdSendSignal(p.pidfd, unix.SIGTERM, nil, 0)
}

// Kill ends the first process, and the kernel then ends all the others before
// Wait returns.
func (p *process) Kill() { _ = unix.PidfdSendSignal(p.pidfd, unix.SIGKILL, nil, 0) }

// Wait blocks until the tree is gone.
func (p *process) Wait() (sandbox.Exit, error) {
	defer p.group.Close()
	defer p.status.Close()
	if err := p.gone(); err != nil {
		return sandbox.Exit{}, err
	}
	exit := p.exit()
	exit.Denials = p.tracer.end()
	p.count(&exit)
	return exit, nil
}

// gone blocks until the first process has ended and been reaped, and with it
// the kernel has ended every other one.
func (p *process) gone() error {
	defer unix.Close(p.pidfd)
	for {
		err := unix.Waitid(unix.P_PIDFD, p.pidfd, nil, unix.WEXITED, nil)
		if err == nil {
			return nil
		}
		if err != unix.EINTR {
			return fault.Newf(fault.Internal, "wait for sandbox: %w", err)
		}
	}
}

// exit reads how the command ended from the status pipe, which only the first
// process ever held. Without a message the first process was killed itself.
func (p *process) exit() sandbox.Exit {
	var msg [8]byte
	if n, err := p.status.Read(msg[:]); err != nil || n != len(msg) {
		return sandbox.Exit{Code: -1, Signal: int(unix.SIGKILL)}
	}
	kind, value := binary.LittleEndian.Uint32(msg[:]), binary.LittleEndian.Uint32(msg[4:])
	if kind == 1 {
		if unix.Errno(value) == unix.ENOENT {
			return sandbox.Exit{Code: 127}
		}
		return sandbox.Exit{Code: 126}
	}
	ws := unix.WaitStatus(value)
	if ws.Signaled() {
		return sandbox.Exit{Code: -1, Signal: int(ws.Signal())}
	}
	return sandbox.Exit{Code: ws.ExitStatus()}
}

// counted is what the kernel's own counters say was refused.
func (p *process) counted() (denials []event.Denial) {
	events, err := p.group.Events()
	if err != nil {
		return nil
	}
	l := p.plan.limits
	if events.OOMKills > 0 {
		denials = append(denials, event.Denial{
			Operation: "allocate memory", Object: fmt.Sprintf("more than %d MiB", l.Memory>>20), Step: jail.StepCgroup + " memory",
			Grant: "--memory", Source: "kernel counter", Count: int(events.OOMKills),
		})
	}
	if events.PidsMax > 0 {
		denials = append(denials, event.Denial{
			Operation: "fork", Object: fmt.Sprintf("more than %d processes", l.PIDs), Step: jail.StepCgroup + " pids",
			Grant: "limits.pids", Source: "kernel counter", Count: int(events.PidsMax),
		})
	}
	return denials
}

// count asks the kernel's counters and the exit status what was refused.
func (p *process) count(exit *sandbox.Exit) {
	exit.Denials = append(exit.Denials, p.counted()...)
	events, err := p.group.Events()
	if err == nil && events.OOMKills > 0 && (exit.Signal == int(unix.SIGKILL) || exit.Code == 128+int(unix.SIGKILL)) {
		exit.Limit = "memory"
	}
	switch unix.Signal(exit.Signal) {
	case unix.SIGSYS:
		exit.Denials = append(exit.Denials, event.Denial{Operation: "system call", Object: "outside the profile", Step: jail.StepSeccomp, Grant: "syscalls: default", Source: "exit status", Count: 1})
	case unix.SIGXFSZ:
		exit.Limit = "file_size"
	}
}
