package command

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// shell runs shell text on the host.
func shell(t *testing.T, ctx context.Context, text string, p policy.Policy) (sandbox.Result, string, error) {
	t.Helper()
	var out bytes.Buffer
	r, err := host{}.Run(ctx, sandbox.Request{Policy: p, Args: []string{"/bin/sh", "-c", text}, Dir: t.TempDir(), Env: map[string]string{"X": "1"}},
		sandbox.IO{Stdout: &out, Stderr: &out})
	return r, out.String(), err
}

func TestHost_runsAndReportsThatNothingIsEnforced(t *testing.T) {
	t.Setenv("BULKHEAD_TEST_SECRET", "s")
	r, out, err := shell(t, context.Background(), `echo "$X$BULKHEAD_TEST_SECRET"; exit 4`, policy.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "output", out, "1\n")
	want(t, "exit", r.ExitCode, 4)
	want(t, "layer", r.Report.Layer, "host")
	want(t, "first step", r.Report.Steps[0].Status, event.Unenforced)
}

func TestHost_endsTheWholeGroup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for {
			if raw, _ := os.ReadFile(file); len(raw) > 1 {
				cancel()
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	r, _, err := shell(t, ctx, `sleep 600 & echo $! > `+file+`; wait`, policy.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "cancelled", r.Cancelled, true)
	raw, _ := os.ReadFile(file)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(raw)))
	for range 500 { // an orphan is reaped by somebody else, in a moment
		if syscall.Kill(pid, 0) == syscall.ESRCH || zombie(pid) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("child %d is still there", pid)
}

// zombie reports whether a process is dead and only waits to be reaped.
func zombie(pid int) bool {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(raw), ") Z ")
}

func TestHost_limits(t *testing.T) {
	r, _, err := shell(t, context.Background(), "sleep 600", policy.Policy{}.With(policy.Timeout(50*time.Millisecond)))
	if err != nil {
		t.Fatal(err)
	}
	want(t, "timed out", r.TimedOut, true)

	r, out, err := shell(t, context.Background(), "yes", policy.Policy{}.With(policy.Output(1000)))
	if err != nil {
		t.Fatal(err)
	}
	want(t, "truncated", r.Truncated, true)
	want(t, "bytes", len(out), 1000)
}

func TestHost_refusesLimitsThatItCannotEnforce(t *testing.T) {
	p := policy.Policy{}.With(policy.Memory(1<<30), policy.PIDs(3))
	_, _, err := shell(t, context.Background(), "true", p)
	want(t, "kind", fault.KindOf(err), fault.Unsupported)
	if !strings.Contains(err.Error(), "memory") || !strings.Contains(err.Error(), "pids") {
		t.Errorf("error %q does not name both", err)
	}
	r, _, err := shell(t, context.Background(), "true", p.With(policy.BestEffort()))
	if err != nil {
		t.Fatal(err)
	}
	want(t, "missing", r.Report.Missing, []string{"limit of memory", "limit of pids"})
}

func TestHost_saysThatAProgramIsMissing(t *testing.T) {
	_, err := host{}.Run(context.Background(), sandbox.Request{Args: []string{"/no/such/program"}, Dir: t.TempDir()}, sandbox.IO{})
	want(t, "kind", fault.KindOf(err), fault.Invalid)
	_, err = host{}.Run(context.Background(), sandbox.Request{}, sandbox.IO{})
	want(t, "kind", fault.KindOf(err), fault.Invalid)
}

func TestRun_onTheHostUsesHostPaths(t *testing.T) {
	b := newBench(t, prints("", "", 0), map[string]string{"x.sh": "echo \"{\\\"in\\\":$(cat $MN_INPUT_FILE),\\\"pay\\\":\\\"$(cat $MN_PAYLOADS_DIR/y)\\\",\\\"cwd\\\":\\\"$(basename $PWD)\\\"}\"", "y": "z"})
	b.work.Node.Executor.Runner = "host"
	b.work.Node.Executor.Command = []string{"/bin/sh", "{workdir}/x.sh"}
	want(t, "without trust", b.run().Cause, "start")
	b.grants.TrustHost = true
	b.work.Node.Executor.Uploads = append(b.work.Node.Executor.Uploads, struct {
		Source string `json:"source"`
		Target string `json:"target"`
	}{Source: "x.sh"})
	o := b.run()
	want(t, "output", string(o.Output.Inline), `{"in":{"x":1},"pay":"z","cwd":"work"}`)
	want(t, "layer", o.Report.Layer, "host")
}
