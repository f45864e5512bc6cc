package wire

import (
	"errors"
	"math"
	"path"
	"path/filepath"
	"strings"
	"time"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest"
	"github.com/bulkhead-dev/bulkhead/internal/keeper"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/live"
	"github.com/bulkhead-dev/bulkhead/internal/service"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// FromCreateSandbox is a sandbox as a client asks for it. Errors are
// fault.Problems or fault.Invalid.
func FromCreateSandbox(r *apiv1.CreateSandboxRequest) (service.Opening, error) {
	if err := within("idle_ms", r.GetIdleMs(), maxMillis); err != nil {
		return service.Opening{}, err
	}
	out := service.Opening{
		PolicyFile: r.GetPolicyFile(), Workspace: r.GetWorkspace(), Idle: FromMillis(r.GetIdleMs()),
		Env: r.GetEnv(),
	}
	if out.Env == nil {
		out.Env = map[string]string{} // never from our own environment
	}
	if r.GetPolicy() == "" {
		return out, nil
	}
	var err error
	out.Policy, err = policy.Parse("policy", []byte(r.GetPolicy()))
	return out, err
}

// The states of a sandbox.
const (
	statusRunning = "running"
	statusPaused  = "paused"
	statusEnded   = "ended"
)

// Sandbox describes a sandbox, without its report and processes.
func Sandbox(b *keeper.Box) *apiv1.Sandbox {
	out := &apiv1.Sandbox{
		Name: b.Name, Status: statusRunning, Created: Time(b.Created), IdleMs: Millis(b.Idle),
		Layer: string(b.Layer()), Workspace: clean(b.Workspace), Pid: int32(b.PID()), Execs: int32(b.Execs()),
	}
	if b.Paused() {
		out.Status = statusPaused
	}
	if err := b.Err(); err != nil {
		out.Status, out.Reason = statusEnded, clean(err.Error())
	}
	if u, err := b.Usage(); err == nil {
		out.Usage = Usage(u)
	}
	text := new(strings.Builder)
	if err := b.Policy().Print(text); err == nil {
		out.Policy = clean(text.String())
	}
	return out
}

// Sandboxes are sandboxes in their order.
func Sandboxes(list []*keeper.Box) *apiv1.ListSandboxesResponse {
	return &apiv1.ListSandboxesResponse{Sandboxes: each(list, Sandbox)}
}

// Usage is what a sandbox's processes use.
func Usage(u sandbox.Usage) *apiv1.SandboxUsage {
	return &apiv1.SandboxUsage{
		CpuMs: Millis(u.CPU), MemoryBytes: float64(u.Memory), MemoryPeakBytes: float64(u.MemoryPeak),
		Pids: int32(u.PIDs), ReadBytes: float64(u.Read), WrittenBytes: float64(u.Written),
		OomKills: float64(u.OOMKills), PidsDenied: float64(u.PIDsDenied),
	}
}

// Processes are processes of a sandbox.
func Processes(list []guest.Process) []*apiv1.SandboxProcess {
	return each(list, func(p guest.Process) *apiv1.SandboxProcess {
		return &apiv1.SandboxProcess{
			Pid: int32(p.PID), Parent: int32(p.Parent), Args: each(p.Args, clean),
			CpuMs: Millis(p.User + p.System), RssBytes: float64(p.RSS),
		}
	})
}

// FromLimitSandbox are limits as a client asks for them.
func FromLimitSandbox(r *apiv1.LimitSandboxRequest) (policy.Limits, error) {
	if err := errors.Join(
		within("memory_bytes", r.GetMemoryBytes(), maxBytes),
		within("cpus", r.GetCpus(), 4096),
		within("pids", float64(r.GetPids()), 1<<22),
	); err != nil {
		return policy.Limits{}, err
	}
	return policy.Limits{Memory: policy.Bytes(r.GetMemoryBytes()), CPUs: r.GetCpus(), PIDs: int(r.GetPids())}, nil
}

// FromSandboxStart is a command as a client asks for it.
func FromSandboxStart(s *apiv1.SandboxStart) (keeper.Start, error) {
	if s == nil || len(s.GetArgs()) == 0 || s.GetArgs()[0] == "" {
		return keeper.Start{}, fault.New(fault.Invalid, "no command")
	}
	if err := errors.Join(
		within("timeout_ms", s.GetTimeoutMs(), maxMillis),
		within("output_bytes", s.GetOutputBytes(), maxBytes),
	); err != nil {
		return keeper.Start{}, err
	}
	out := keeper.Start{
		Args: s.GetArgs(), Env: s.GetEnv(), Dir: s.GetDir(), Timeout: FromMillis(s.GetTimeoutMs()),
		Strict: s.GetStrict(), Output: policy.Bytes(s.GetOutputBytes()),
	}
	if t := s.GetTerminal(); t != nil {
		out.Terminal = new(Size(t))
	}
	return out, nil
}

// Size is the size of a terminal, cut down to what one can have.
func Size(t *apiv1.TerminalSize) guest.Size {
	side := func(n int32) uint16 { return uint16(min(max(n, 0), math.MaxUint16)) }
	return guest.Size{Rows: side(t.GetRows()), Cols: side(t.GetColumns())}
}

// CheckCopy refuses a copy whose ends are not plainly named.
func CheckCopy(r *apiv1.CopySandboxFilesRequest) error {
	switch {
	case !filepath.IsAbs(r.GetHostPath()):
		return fault.Newf(fault.Invalid, "host_path %q is not absolute", r.GetHostPath())
	case !path.IsAbs(r.GetPath()):
		return fault.Newf(fault.Invalid, "path %q is not absolute", r.GetPath())
	}
	return nil
}

// Copied is what a copy moved.
func Copied(c keeper.Copied) *apiv1.CopySandboxFilesResponse {
	return &apiv1.CopySandboxFilesResponse{
		Entries: float64(c.Entries), Bytes: float64(c.Bytes), Left: float64(c.Left), Path: clean(c.Path),
	}
}

// SandboxLog is one entry of a log.
func SandboxLog(e keeper.Entry) *apiv1.SandboxLog {
	out := &apiv1.SandboxLog{Time: Time(e.Time), Exec: int32(e.Exec), Kind: e.Kind}
	out.Text, out.TextBase64 = Text(e.Text)
	return out
}

// CommandResult is how a command of a live sandbox ended, without what it
// printed. Why one could not be run stands in stderr.
func CommandResult(s *live.Sandbox, e live.Exit, took time.Duration) *apiv1.ExecResult {
	r := sandbox.Result{
		ExitCode: e.Code, Signal: int(e.Signal), TimedOut: e.TimedOut, Cancelled: e.Cancelled, Limit: e.Limit,
		Truncated: e.Limit == "output", Duration: took, Layer: s.Layer(), Report: s.Report(),
	}
	if e.NotRun != nil {
		r.Stderr = []byte(e.NotRun.Error() + "\n")
	}
	return ExecResult(r)
}
