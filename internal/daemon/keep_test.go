package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	rpc "connectrpc.com/connect"
	"golang.org/x/sys/unix"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/jail/reexec"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/sandboxtest"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
	"github.com/bulkhead-dev/bulkhead/internal/service"
)

func TestMain(m *testing.M) {
	reexec.Init()
	os.Exit(sandboxtest.Main(m))
}

// keeping runs a sandbox holder for the test and connects to it.
func keeping(t *testing.T) (*Kept, env) {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o700))
	e := env{"XDG_RUNTIME_DIR": dir, "HOME": dir, "BULKHEAD_INIT": sandboxtest.Init(t)}
	sandboxes, err := Sandboxes(e.get)
	must(t, err)
	_, err = sandboxes.Exec(t.Context(), service.Command{Args: []string{"true"}}, sandbox.IO{})
	capability := "user namespace"
	if os.Geteuid() == 0 {
		capability = "root"
	}
	kerneltest.Need(t, capability, err == nil, fmt.Sprint(err))

	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- Keep(ctx, e.get, func() error { close(ready); return nil })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Keep = %v", err)
		}
		if _, err := ConnectKept(t.Context(), e.get); !errors.Is(err, ErrNoKeeper) {
			t.Errorf("ConnectKept after it = %v", err)
		}
	})
	<-ready
	k, err := ConnectKept(t.Context(), e.get)
	must(t, err)
	t.Cleanup(func() { _ = k.Close() })
	return k, e
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func createBox(t *testing.T, k *Kept, name string) *apiv1.Sandbox {
	t.Helper()
	s, err := k.CreateSandbox(t.Context(), rpc.NewRequest(&apiv1.CreateSandboxRequest{Name: name}))
	must(t, wire.FromConnect(err))
	return s.Msg
}

func TestKeep_lendsNobodyElseItsSocket(t *testing.T) {
	_, e := keeping(t)
	dir := filepath.Join(e["XDG_RUNTIME_DIR"], "bulkhead")
	for _, row := range []struct {
		path string
		want os.FileMode
	}{{dir, 0o700}, {filepath.Join(dir, keepSocket), 0o600}, {filepath.Join(dir, keepLock), 0o600}} {
		info, err := os.Stat(row.path)
		must(t, err)
		if info.Mode().Perm() != row.want {
			t.Errorf("%s has mode %04o, want %04o", row.path, info.Mode().Perm(), row.want)
		}
	}
}

func TestKeep_isDoneByOneProcess(t *testing.T) {
	_, e := keeping(t)
	called := false
	if err := Keep(t.Context(), e.get, func() error { called = true; return nil }); err != nil || !called {
		t.Errorf("a second holder: %v, ready %v", err, called)
	}
}

func TestConnectKept_refusesASocketOfOthers(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "bulkhead"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "bulkhead", keepSocket), nil, 0o600))
	if _, err := ConnectKept(t.Context(), env{"XDG_RUNTIME_DIR": dir}.get); fault.KindOf(err) != fault.Denied {
		t.Errorf("ConnectKept = %v, want denied", err)
	}
}

// runRemote runs a command with input and returns its output and result.
func runRemote(ctx context.Context, k *Kept, start *apiv1.SandboxStart, stdin io.Reader) (string, *apiv1.ExecResult, error) {
	stream := k.ExecInSandbox(ctx)
	defer stream.CloseResponse()
	if err := stream.Send(&apiv1.SandboxInput{Start: start}); err != nil && !errors.Is(err, io.EOF) {
		return "", nil, err
	}
	var sending sync.WaitGroup
	sending.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := stdin.Read(buf)
			if n > 0 && stream.Send(&apiv1.SandboxInput{Data: buf[:n]}) != nil || err != nil {
				_ = stream.CloseRequest()
				return
			}
		}
	})
	defer sending.Wait()
	var out strings.Builder
	for {
		m, err := stream.Receive()
		if err != nil {
			return out.String(), nil, wire.FromConnect(err)
		}
		out.Write(m.GetStdout())
		if m.GetResult() != nil {
			return out.String(), m.GetResult(), nil
		}
	}
}

func TestExecInSandbox_carriesLargeStreamsBothWays(t *testing.T) {
	k, _ := keeping(t)
	createBox(t, k, "a")
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<19) // 8 MiB
	out, res, err := runRemote(t.Context(), k, &apiv1.SandboxStart{Name: "a", Args: []string{"cat"}}, bytes.NewReader(data))
	if err != nil || res.GetExitCode() != 0 || out != string(data) {
		t.Errorf("%d bytes of %d, %v, %v", len(out), len(data), res, err)
	}
}

func TestExecInSandbox_runsManyAtOnce(t *testing.T) {
	k, _ := keeping(t)
	createBox(t, k, "a")
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			out, res, err := runRemote(t.Context(), k, &apiv1.SandboxStart{Name: "a", Args: []string{"echo", fmt.Sprint(i)}}, strings.NewReader(""))
			if err != nil || res.GetExitCode() != 0 || out != fmt.Sprintln(i) {
				t.Errorf("command %d: %q, %v, %v", i, out, res, err)
			}
		})
	}
	wg.Wait()
}

func TestExecInSandbox_endsACommandWhoseCallerLeft(t *testing.T) {
	k, _ := keeping(t)
	createBox(t, k, "a")
	ctx, leave := context.WithCancel(t.Context())
	stream := k.ExecInSandbox(ctx)
	must(t, stream.Send(&apiv1.SandboxInput{Start: &apiv1.SandboxStart{Name: "a", Args: []string{"sh", "-c", "echo up; sleep 1000"}}}))
	for {
		m, err := stream.Receive()
		must(t, err)
		if len(m.GetStdout()) > 0 {
			break
		}
	}
	leave()
	_ = stream.CloseRequest() // HTTP/2 looks at the context when nothing more is to be sent
	var left []*apiv1.SandboxProcess
	for range 500 {
		s, err := k.GetSandbox(t.Context(), rpc.NewRequest(&apiv1.GetSandboxRequest{Name: "a"}))
		must(t, err)
		if left = s.Msg.GetProcesses(); len(left) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("the command lives: %v", left)
}

func TestExecInSandbox_signalsPassInputThatNobodyReads(t *testing.T) {
	k, _ := keeping(t)
	createBox(t, k, "a")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for ctx.Err() == nil {
			_, err := k.SignalInSandbox(ctx, rpc.NewRequest(&apiv1.SignalInSandboxRequest{Name: "a", Exec: 1, Signal: int32(unix.SIGTERM)}))
			if err == nil {
				return
			}
			time.Sleep(10 * time.Millisecond) // it has not started yet
		}
	}()
	_, res, err := runRemote(ctx, k, &apiv1.SandboxStart{Name: "a", Args: []string{"sleep", "1000"}}, io.LimitReader(endless{}, 64<<20))
	<-stop
	if err != nil || res.GetSignal() != "SIGTERM" {
		t.Errorf("%v, %v", res, err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestSandboxes_refusesWhatMakesNoSense(t *testing.T) {
	k, _ := keeping(t)
	createBox(t, k, "a")
	ctx := t.Context()
	for _, row := range []struct {
		name string
		do   func() error
		want fault.Kind
	}{
		{"a policy that is none", func() error {
			_, err := k.CreateSandbox(ctx, rpc.NewRequest(&apiv1.CreateSandboxRequest{Name: "b", Policy: "frob: 1"}))
			return err
		}, fault.Invalid},
		{"a negative idle time", func() error {
			_, err := k.CreateSandbox(ctx, rpc.NewRequest(&apiv1.CreateSandboxRequest{Name: "b", IdleMs: -1}))
			return err
		}, fault.Invalid},
		{"a work folder that is relative", func() error {
			_, err := k.CreateSandbox(ctx, rpc.NewRequest(&apiv1.CreateSandboxRequest{Name: "b", Workspace: "x"}))
			return err
		}, fault.Invalid},
		{"our own runtime folder", func() error {
			dir, err := keepFolder(os.Getenv)
			must(t, err)
			_, err = k.CreateSandbox(ctx, rpc.NewRequest(&apiv1.CreateSandboxRequest{Name: "b", Workspace: dir}))
			return err
		}, fault.Denied},
		{"no command", func() error {
			_, _, err := runRemote(ctx, k, &apiv1.SandboxStart{Name: "a"}, strings.NewReader(""))
			return err
		}, fault.Invalid},
		{"a terminal for nobody", func() error {
			start := &apiv1.SandboxStart{Name: "a", Args: []string{"true"}, Detach: true, Terminal: &apiv1.TerminalSize{Rows: 1, Columns: 1}}
			_, _, err := runRemote(ctx, k, start, strings.NewReader(""))
			return err
		}, fault.Invalid},
		{"a copy between places that are not named", func() error {
			_, err := k.CopySandboxFiles(ctx, rpc.NewRequest(&apiv1.CopySandboxFilesRequest{Name: "a", HostPath: "x", Path: "/work/x"}))
			return err
		}, fault.Invalid},
		{"a limit that is too large", func() error {
			_, err := k.LimitSandbox(ctx, rpc.NewRequest(&apiv1.LimitSandboxRequest{Name: "a", Cpus: 1e9}))
			return err
		}, fault.Invalid},
		{"a signal to nobody", func() error {
			_, err := k.SignalInSandbox(ctx, rpc.NewRequest(&apiv1.SignalInSandboxRequest{Name: "a", Exec: 77, Signal: 9}))
			return err
		}, fault.NotFound},
		{"logs of nothing", func() error {
			s, err := k.GetSandboxLogs(ctx, rpc.NewRequest(&apiv1.GetSandboxLogsRequest{Name: "no"}))
			must(t, err)
			s.Receive()
			return s.Err()
		}, fault.NotFound},
	} {
		if err := wire.FromConnect(row.do()); fault.KindOf(err) != row.want {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
}

func TestCreateSandbox_takesVariablesFromTheCallerOnly(t *testing.T) {
	k, _ := keeping(t)
	t.Setenv("KEEP_TEST_SECRET", "the holder's")
	_, err := k.CreateSandbox(t.Context(), rpc.NewRequest(&apiv1.CreateSandboxRequest{
		Name: "a", Policy: "env: {pass: [GIVEN, KEEP_TEST_SECRET]}", Env: map[string]string{"GIVEN": "the caller's", "MORE": "not asked for"},
	}))
	must(t, err)
	out, _, err := runRemote(t.Context(), k, &apiv1.SandboxStart{Name: "a", Args: []string{"sh", "-c", "echo $GIVEN,$KEEP_TEST_SECRET,$MORE"}}, strings.NewReader(""))
	if err != nil || out != "the caller's,,\n" {
		t.Errorf("%q, %v", out, err)
	}
}
