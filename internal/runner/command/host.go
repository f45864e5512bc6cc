package command

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// host runs commands without any wall, for nodes that the operator trusts.
// The whole process group is ended on timeout and cancel; what leaves its
// group is not found.
type host struct{}

var _ Sandbox = host{}

// hostOutput is the limit of each output stream when the policy has none.
const hostOutput = 16 << 20

// Run runs a command on the host; see Sandbox.
func (host) Run(ctx context.Context, req sandbox.Request, streams sandbox.IO) (sandbox.Result, error) {
	missing, err := unenforceable(req.Policy)
	if err != nil {
		return sandbox.Result{}, err
	}
	cmd, err := hostCommand(req)
	if err != nil {
		return sandbox.Result{}, err
	}
	p := &hostProcess{cmd: cmd, limit: int64(req.Policy.Limits.Output)}
	if p.limit == 0 {
		p.limit = hostOutput
	}
	cmd.Stdout, cmd.Stderr = p.bounded(streams.Stdout), p.bounded(streams.Stderr)

	began := time.Now()
	if err := p.run(ctx, req.Policy.Limits.WallTime); err != nil {
		return sandbox.Result{}, err
	}
	r := p.result()
	r.Duration = time.Since(began)
	r.Report = event.Report{Layer: string(policy.Host), Launcher: "exec", Denials: []event.Denial{}, Missing: missing, Steps: []event.Step{
		{Name: "isolation", Status: event.Unenforced, Detail: "runs on the host, trusted with --trust-host: it may touch what Bulkhead itself may touch"},
		{Name: "environment", Status: event.Enforced, Detail: "only what the contract and the policy set"},
		{Name: "process group", Status: event.Enforced, Detail: "ended as a whole on timeout, cancel and when Bulkhead ends; what leaves it is not found"},
	}}
	return r, nil
}

// unenforceable lists the written limits that nothing enforces on the host.
// They are mandatory, so the start is refused unless the policy says best effort.
func unenforceable(p policy.Policy) ([]string, error) {
	l := p.Limits
	rows := []struct {
		name    string
		written bool
	}{
		{"memory", l.Memory != 0},
		{"cpus", l.CPUs != 0},
		{"pids", l.PIDs != 0},
		{"open_files", l.OpenFiles != 0},
		{"file_size", l.FileSize != 0},
		{"scratch", l.Scratch != 0},
	}
	var missing []string
	for _, row := range rows {
		if row.written {
			missing = append(missing, "limit of "+row.name)
		}
	}
	if len(missing) == 0 || p.BestEffort {
		return missing, nil
	}
	return nil, fault.Newf(fault.Unsupported, "runner host cannot enforce the %s", strings.Join(missing, ", the ")).
		WithHint("take it out of the policy, or run with --best-effort")
}

// hostCommand is the process to start.
func hostCommand(req sandbox.Request) (*exec.Cmd, error) {
	if len(req.Args) == 0 {
		return nil, fault.New(fault.Invalid, "there is no command")
	}
	cmd := exec.Command(req.Args[0], req.Args[1:]...)
	cmd.Dir = req.Dir
	cmd.Env = hostEnvironment(req.Env)
	cmd.SysProcAttr = ownGroup()
	// Whoever holds a pipe open after the group was ended must not hold us.
	cmd.WaitDelay = sandbox.Grace
	return cmd, nil
}

// hostNames are the variables that a trusted command inherits.
var hostNames = []string{"HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ", "USER"}

// hostEnvironment is the environment of a trusted command.
func hostEnvironment(own map[string]string) []string {
	var env []string
	for _, name := range hostNames {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	for _, name := range sortedKeys(own) {
		env = append(env, name+"="+own[name])
	}
	return slices.Clip(env)
}

// hostProcess is a process group while it runs.
type hostProcess struct {
	cmd   *exec.Cmd
	limit int64
	over  atomic.Bool // it printed too much
	why   atomic.Int32
	wait  error
}

// Why a group was ended.
const (
	byItself int32 = iota
	byTimeout
	byCancel
)

// run starts the process and waits until it is gone. Its thread lives as long
// as the process: the kernel ends the process when the thread that started
// it ends (PDEATHSIG is per thread), so it must not be one that may go early.
func (p *hostProcess) run(ctx context.Context, limit time.Duration) error {
	started := make(chan error)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.wait = p.cmd.Wait()
			p.signal(syscall.SIGKILL) // what it left behind
		}
	}()
	if err := <-started; err != nil {
		<-ended
		return startError(p.cmd, err)
	}
	p.watch(ctx, limit, ended)
	return nil
}

// startError says why a command did not start. A program that is not there is
// the command's own failure in a sandbox too, but here nothing ran.
func startError(cmd *exec.Cmd, err error) error {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return fault.Newf(fault.Invalid, "program %s is not there: %w", filepath.Base(cmd.Path), err)
	}
	return fault.Newf(fault.Unavailable, "start %s: %w", filepath.Base(cmd.Path), err)
}

// watch ends the group on timeout and cancel, first politely.
func (p *hostProcess) watch(ctx context.Context, limit time.Duration, ended <-chan struct{}) {
	var timeout <-chan time.Time
	if limit > 0 {
		t := time.NewTimer(limit)
		defer t.Stop()
		timeout = t.C
	}
	select {
	case <-ended:
		return
	case <-timeout:
		p.why.Store(byTimeout)
	case <-ctx.Done():
		p.why.Store(byCancel)
	}
	p.signal(syscall.SIGTERM)
	grace := time.NewTimer(sandbox.Grace)
	defer grace.Stop()
	select {
	case <-ended:
	case <-grace.C:
		p.signal(syscall.SIGKILL)
		<-ended
	}
}

// signal sends a signal to the whole group.
func (p *hostProcess) signal(s syscall.Signal) {
	_ = syscall.Kill(-p.cmd.Process.Pid, s) // ESRCH: it is gone, which is what we want
}

// result is how the process ended.
func (p *hostProcess) result() sandbox.Result {
	why := p.why.Load()
	r := sandbox.Result{
		Layer: policy.Host, ExitCode: p.cmd.ProcessState.ExitCode(),
		TimedOut: why == byTimeout, Cancelled: why == byCancel, Truncated: p.over.Load(),
	}
	if r.Truncated {
		r.Limit = "output"
	}
	if ws, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		r.Signal = int(ws.Signal())
	}
	return r
}

// bounded passes a stream on up to the limit, and ends the group beyond it.
func (p *hostProcess) bounded(w writer) *bound { return &bound{p: p, w: w} }

// writer is where a stream goes.
type writer interface{ Write([]byte) (int, error) }

// bound is a stream with a limit.
type bound struct {
	p *hostProcess
	w writer
	n int64
}

// Write passes bytes on. It takes everything, so that the process does not
// hang on a full pipe before it is ended.
func (b *bound) Write(p []byte) (int, error) {
	room := max(0, b.p.limit-b.n)
	b.n += int64(len(p))
	if b.n > b.p.limit && !b.p.over.Swap(true) {
		b.p.signal(syscall.SIGKILL)
	}
	if keep := p[:min(int64(len(p)), room)]; len(keep) > 0 && b.w != nil {
		if _, err := b.w.Write(keep); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}
