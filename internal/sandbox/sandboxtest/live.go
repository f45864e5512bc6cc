package sandboxtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/live"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// RunLive runs the suite of live sandboxes on a manager with one layer.
func RunLive(t *testing.T, m *sandbox.Manager) {
	for _, c := range slices.Concat(liveCases, stockCases) {
		t.Run(c.name, func(t *testing.T) { c.run(t, m) })
	}
}

type liveCase struct {
	name string
	run  func(*testing.T, *sandbox.Manager)
}

// liveCases are the suite, each named as a sentence.
var liveCases = []liveCase{
	{"keeps streams apart and tells the status", liveStreams},
	{"shows what a sandbox of one command shows", liveView},
	{"keeps files and processes between commands", liveKeeps},
	{"gives each command its own variables and folder", liveEnv},
	{"runs many commands at once", liveMany},
	{"stops a command at its time", liveTimeout},
	{"cancels a command with its context", liveCancel},
	{"bounds the output of a command", liveOutput},
	{"narrows one command to strict", liveStrictCommand},
	{"narrows every command under a strict policy", liveStrictPolicy},
	{"lets nobody inside load a filter", liveNoFilter},
	{"hides its first process", liveHidesInit},
	{"has terminals", liveTerminal},
	{"moves files and folders", liveFiles},
	{"grants folders", liveGrants},
	{"forwards ports", livePorts},
	{"says what it uses", liveUsage},
	{"names the memory limit that ended a command", liveMemory},
	{"pauses and goes on", livePause},
	{"closes while it is paused", liveClosePaused},
	{"closes with whatever runs", liveClose},
	{"ends when idle", liveIdle},
	{"is not idle while a command runs", liveNotIdle},
	{"notices that its first process was killed", liveInitDies},
	{"outlives a command that kills everything", liveKillAll},
}

// open opens a sandbox that ends with the test.
func open(t *testing.T, m *sandbox.Manager, req sandbox.Request, opt live.Options) *live.Sandbox {
	t.Helper()
	s, err := live.Open(t.Context(), m, req, opt)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Kill(); err != nil {
			t.Errorf("Kill: %v", err)
		}
	})
	return s
}

// do runs a script in a sandbox.
func do(t *testing.T, s *live.Sandbox, script string, change ...func(*live.Cmd)) sandbox.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := s.Command("sh", "-c", script)
	for _, f := range change {
		f(c)
	}
	res, err := c.Do(ctx)
	if err != nil {
		t.Fatalf("Do(%q): %v", script, err)
	}
	return res
}

func liveStreams(t *testing.T, m *sandbox.Manager) {
	s := open(t, m, sandbox.Request{}, live.Options{})
	for range 3 {
		res := do(t, s, "cat; echo out; echo err >&2; exit 3", func(c *live.Cmd) { c.Stdin = strings.NewReader("in\n") })
		if string(res.Stdout) != "in\nout\n" || string(res.Stderr) != "err\n" || res.ExitCode != 3 {
			t.Fatalf("stdout %q, stderr %q, exit %d", res.Stdout, res.Stderr, res.ExitCode)
		}
	}
	if res := do(t, s, "kill -TERM $$"); res.Signal != int(unix.SIGTERM) || res.ExitCode != -1 {
		t.Errorf("exit %d, signal %d", res.ExitCode, res.Signal)
	}
	for _, row := range []struct {
		arg  string
		want int
	}{{"/nonexistent", 127}, {"no-such-program", 127}, {"/etc/passwd", 126}} {
		exit, err := s.Command(row.arg).Run(t.Context())
		if err != nil || exit.Code != row.want || exit.NotRun == nil {
			t.Errorf("%s: exit %d, %v, %v, want %d", row.arg, exit.Code, exit.NotRun, err, row.want)
		}
	}
}

func liveView(t *testing.T, m *sandbox.Manager) {
	s := open(t, m, sandbox.Request{}, live.Options{})
	for _, tt := range viewRows {
		t.Run(tt.name, func(t *testing.T) {
			res := do(t, s, tt.script)
			if got := string(res.Stdout); got != tt.want {
				t.Errorf("stdout = %q, want %q (stderr %q)", got, tt.want, res.Stderr)
			}
			do(t, s, "rm -rf /work/* /tmp/*")
		})
	}
}

func liveKeeps(t *testing.T, m *sandbox.Manager) {
	s := open(t, m, sandbox.Request{}, live.Options{})
	do(t, s, "echo kept > f; sleep 1000 >/dev/null 2>&1 </dev/null & echo $! > pid")
	res := do(t, s, "cat f; kill -0 $(cat pid) && echo alive")
	if string(res.Stdout) != "kept\nalive\n" {
		t.Errorf("stdout %q (stderr %q)", res.Stdout, res.Stderr)
	}
	list, err := s.Processes(t.Context())
	must(t, err)
	for _, p := range list {
		if strings.Join(p.Args, " ") == "sleep 1000" {
			must(t, s.Client.Kill(t.Context(), p, unix.SIGKILL))
			return
		}
	}
	t.Errorf("the sleep is not among %d processes", len(list))
}

func liveEnv(t *testing.T, m *sandbox.Manager) {
	req := sandbox.Request{Env: map[string]string{"A": "sandbox", "B": "sandbox"}}
	s := open(t, m, req, live.Options{})
	res := do(t, s, `echo $A $B; pwd`, func(c *live.Cmd) { c.Env = map[string]string{"B": "command"}; c.Dir = "/tmp" })
	if string(res.Stdout) != "sandbox command\n/tmp\n" {
		t.Errorf("stdout %q", res.Stdout)
	}
	if res := do(t, s, `echo $A $B; pwd`); string(res.Stdout) != "sandbox sandbox\n"+s.Dir()+"\n" {
		t.Errorf("stdout %q", res.Stdout)
	}
	if _, err := s.Command("true").Do(t.Context()); err != nil {
		t.Error(err)
	}
	c := s.Command("true")
	c.Dir = "/nonexistent"
	if _, err := c.Do(t.Context()); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a folder that is missing: %v, want not found", err)
	}
}

func liveMany(t *testing.T, m *sandbox.Manager) {
	s := open(t, m, sandbox.Request{}, live.Options{})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			out, exit, err := s.Command("echo", fmt.Sprint(i)).CombinedOutput(t.Context())
			if err != nil || exit.Code != 0 || string(out) != fmt.Sprintln(i) {
				t.Errorf("command %d: %q, %+v, %v", i, out, exit, err)
			}
		})
	}
	wg.Wait()
}

func liveTimeout(t *testing.T, m *sandbox.Manager) {
	req := sandbox.Request{}
	req.Policy.Limits.WallTime = 200 * time.Millisecond
	s := open(t, m, req, live.Options{})
	res := do(t, s, "trap 'echo asked; exit 7' TERM; sleep 1000 & wait")
	if !res.TimedOut || string(res.Stdout) != "asked\n" || res.ExitCode != 7 {
		t.Errorf("timed out %v, stdout %q, exit %d", res.TimedOut, res.Stdout, res.ExitCode)
	}
	short := func(c *live.Cmd) { c.Timeout, c.Grace = 100*time.Millisecond, 100*time.Millisecond }
	if res := do(t, s, "trap '' TERM; while :; do sleep 1; done", short); !res.TimedOut || res.Signal != 9 {
		t.Errorf("timed out %v, signal %d, want 9", res.TimedOut, res.Signal)
	}
	if res := do(t, s, "echo fine"); string(res.Stdout) != "fine\n" {
		t.Errorf("the sandbox did not outlive its commands: %+v", res)
	}
}

func liveCancel(t *testing.T, m *sandbox.Manager) {
	s := open(t, m, sandbox.Request{}, live.Options{})
	for _, row := range []struct {
		script string
		code   int
		signal int
	}{
		{"echo up; trap 'exit 5' TERM; sleep 1000 & wait", 5, 0},
		{"echo up; trap '' TERM; while :; do sleep 1; done", -1, 9},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		c := s.Command("sh", "-c", row.script)
		c.Grace = 200 * time.Millisecond
		out := c.StdoutPipe()
		must(t, c.Start(ctx))
		_, err := io.ReadFull(out, make([]byte, 3))
		must(t, err)
		time.Sleep(50 * time.Millisecond) // the trap is set
		cancel()
		exit, err := c.Wait()
		out.Close()
		if err != nil || !exit.Cancelled || exit.Code != row.code || int(exit.Signal) != row.signal {
			t.Errorf("%s: %+v, %v", row.script, exit, err)
		}
	}
}

func liveOutput(t *testing.T, m *sandbox.Manager) {
	req := sandbox.Request{}
	req.Policy.Limits.Output = 1000
	s := open(t, m, req, live.Options{})
	res := do(t, s, "yes")
	if !res.Truncated || res.Limit != "output" || len(res.Stdout) != 1000 || res.Cancelled {
		t.Errorf("truncated %v, limit %q, %d bytes, cancelled %v", res.Truncated, res.Limit, len(res.Stdout), res.Cancelled)
	}
	res = do(t, s, "head -c 1000 /dev/zero; head -c 1000 /dev/zero >&2")
	if res.Truncated || len(res.Stdout) != 1000 || len(res.Stderr) != 1000 {
		t.Errorf("truncated %v, %d and %d bytes", res.Truncated, len(res.Stdout), len(res.Stderr))
	}
	var both bytes.Buffer
	c := s.Command("sh", "-c", "echo out; echo err >&2")
	c.Stdout, c.Stderr = &both, &both
	if _, err := c.Run(t.Context()); err != nil || both.String() != "out\nerr\n" {
		t.Errorf("one writer for both: %q, %v", both.String(), err)
	}
}

// socketProgram makes a socket, which strict kills for.
const socketProgram = `exec python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM); print("made")'`

func liveStrictCommand(t *testing.T, m *sandbox.Manager) {
	needPython(t)
	s := open(t, m, sandbox.Request{}, live.Options{})
	strict := func(c *live.Cmd) { c.Syscalls = policy.Strict }
	if res := do(t, s, socketProgram); string(res.Stdout) != "made\n" {
		t.Errorf("default: %q (stderr %q)", res.Stdout, res.Stderr)
	}
	if res := do(t, s, socketProgram, strict); res.Signal != int(unix.SIGSYS) {
		t.Errorf("strict: exit %d, signal %d, stderr %q; want SIGSYS", res.ExitCode, res.Signal, res.Stderr)
	}
	if res := do(t, s, "echo a | tr a b", strict); string(res.Stdout) != "b\n" {
		t.Errorf("strict pipeline: %q (stderr %q, signal %d)", res.Stdout, res.Stderr, res.Signal)
	}
	if res := do(t, s, socketProgram); string(res.Stdout) != "made\n" {
		t.Errorf("default after strict: %q", res.Stdout)
	}
	c := s.Command("true")
	c.Syscalls = "lax"
	if err := c.Start(t.Context()); fault.KindOf(err) != fault.Invalid {
		t.Errorf("an unknown profile: %v", err)
	}
}

func liveStrictPolicy(t *testing.T, m *sandbox.Manager) {
	needPython(t)
	req := sandbox.Request{}
	req.Policy.Syscalls = policy.Strict
	s := open(t, m, req, live.Options{})
	wide := func(c *live.Cmd) { c.Syscalls = policy.Default }
	for name, change := range map[string]func(*live.Cmd){"as the policy says": func(*live.Cmd) {}, "asking for more": wide} {
		if res := do(t, s, socketProgram, change); res.Signal != int(unix.SIGSYS) {
			t.Errorf("%s: exit %d, signal %d; want SIGSYS", name, res.ExitCode, res.Signal)
		}
	}
}

func liveNoFilter(t *testing.T, m *sandbox.Manager) {
	needPython(t)
	s := open(t, m, sandbox.Request{}, live.Options{})
	res := do(t, s, `exec python3 -c '
import ctypes
c = ctypes.CDLL(None, use_errno=True)
code = (ctypes.c_uint64 * 1)(0x7fff000000000006)
class Prog(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
p = Prog(1, ctypes.addressof(code))
for a, b in ((0, 0), (0x9d3c51e7a4f2b86d, 0x6b1fe08c72d5943a)):
    print(c.prctl(22, 2, ctypes.byref(p), ctypes.c_uint64(a), ctypes.c_uint64(b)), ctypes.get_errno())
'`)
	if want := fmt.Sprintf("-1 %d\n-1 %d\n", unix.EPERM, unix.EPERM); string(res.Stdout) != want {
		t.Errorf("stdout %q, want %q (stderr %q)", res.Stdout, want, res.Stderr)
	}
}

func liveHidesInit(t *testing.T, m *sandbox.Manager) {
	s := open(t, m, sandbox.Request{}, live.Options{})
	for _, file := range []string{"mem", "environ", "maps", "syscall", "fd/3", "auxv"} {
		if res := do(t, s, "cat /proc/1/"+file+" >/dev/null"); res.ExitCode == 0 {
			t.Errorf("/proc/1/%s can be read", file)
		}
	}
	if res := do(t, s, "ls /proc/1/fd/ 2>/dev/null | wc -l"); string(res.Stdout) != "0\n" {
		t.Errorf("/proc/1/fd can be listed: %q", res.Stdout)
	}
}

func liveTerminal(t *testing.T, m *sandbox.Manager) {
	s := open(t, m, sandbox.Request{}, live.Options{})
	c := s.Command("sh", "-c", "tty; stty size; read line; stty size; echo got $line")
	c.Terminal = &guest.Size{Rows: 33, Cols: 77}
	must(t, c.Start(t.Context()))
	must(t, c.Resize(t.Context(), guest.Size{Rows: 44, Cols: 88}))
	_, err := io.WriteString(c.TTY(), "hello\n")
	must(t, err)
	out, err := io.ReadAll(c.TTY())
	must(t, err)
	exit, err := c.Wait()
	must(t, err)
	c.TTY().Close()
	for _, want := range []string{"/dev/pts/", "44 88", "got hello"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("printed %q, want %q in it (exit %+v)", out, want, exit)
		}
	}
}

func liveFiles(t *testing.T, m *sandbox.Manager) {
	s, ctx := open(t, m, sandbox.Request{}, live.Options{}), t.Context()
	_, err := s.WriteFile(ctx, "/work/f", strings.NewReader("content"), guest.WriteOptions{Atomic: true})
	must(t, err)
	if res := do(t, s, "cat f; mkdir d; echo x > d/g; ln -s g d/link; mkfifo p"); string(res.Stdout) != "content" {
		t.Errorf("stdout %q", res.Stdout)
	}
	got, err := s.ReadFile(ctx, "/work/d/g", 10)
	if string(got) != "x\n" || err != nil {
		t.Errorf("ReadFile = %q, %v", got, err)
	}
	if _, err := s.ReadFile(ctx, "/work/p", 10); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a pipe: %v, want invalid", err)
	}
	dir := t.TempDir()
	opt := guest.TreeOptions{Bytes: 1 << 20, Entries: 100}
	_, err = s.Download(ctx, "/work/d", dir, opt)
	must(t, err)
	if b, err := os.ReadFile(filepath.Join(dir, "g")); string(b) != "x\n" {
		t.Errorf("downloaded %q, %v", b, err)
	}
	_, err = s.Upload(ctx, dir, "/work/e", opt)
	must(t, err)
	if res := do(t, s, "cat e/g"); string(res.Stdout) != "x\n" {
		t.Errorf("uploaded: %q (%s)", res.Stdout, res.Stderr)
	}
	if _, err := s.WriteFile(ctx, "/usr/x", strings.NewReader(""), guest.WriteOptions{}); fault.KindOf(err) != fault.Denied {
		t.Errorf("write to /usr: %v, want denied", err)
	}
	if _, err := s.Stat(ctx, "/etc/shadow"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("/etc/shadow: %v", err)
	}
}

func liveGrants(t *testing.T, m *sandbox.Manager) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "ro"), 0o700))
	must(t, os.Mkdir(filepath.Join(dir, "rw"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "ro", "f"), []byte("secret\n"), 0o600))
	req := sandbox.Request{Workspace: filepath.Join(dir, "rw")}
	req.Policy.Filesystem.Read = []string{filepath.Join(dir, "ro")}
	s := open(t, m, req, live.Options{})
	res := do(t, s, fmt.Sprintf("cat %[1]s/ro/f; echo new > g; touch %[1]s/ro/x 2>/dev/null || echo refused", dir))
	if want := "secret\nrefused\n"; string(res.Stdout) != want {
		t.Errorf("stdout = %q, want %q (stderr %q)", res.Stdout, want, res.Stderr)
	}
	_, err := s.WriteFile(t.Context(), "/work/h", strings.NewReader("h"), guest.WriteOptions{})
	must(t, err)
	for _, f := range []string{"g", "h"} {
		if _, err := os.Stat(filepath.Join(dir, "rw", f)); err != nil {
			t.Error(err)
		}
	}
}

func livePorts(t *testing.T, m *sandbox.Manager) {
	needPython(t)
	s := open(t, m, sandbox.Request{}, live.Options{})
	c := s.Command("python3", "-c", `
import socket
l = socket.socket(); l.bind(("127.0.0.1", 8080)); l.listen(); print("up", flush=True)
c, _ = l.accept(); c.sendall(c.recv(100).upper())`)
	out := c.StdoutPipe()
	must(t, c.Start(t.Context()))
	_, err := io.ReadFull(out, make([]byte, 3))
	must(t, err)
	conn, err := s.DialPort(t.Context(), 8080)
	must(t, err)
	_, err = io.WriteString(conn, "hello")
	must(t, err)
	got, _ := io.ReadAll(conn)
	if string(got) != "HELLO" {
		t.Errorf("got %q", got)
	}
	conn.Close()
	out.Close()
	if _, err := c.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := s.DialPort(t.Context(), 8080); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a port that nobody listens on: %v", err)
	}
}

func liveUsage(t *testing.T, m *sandbox.Manager) {
	s := open(t, m, sandbox.Request{}, live.Options{})
	before, err := s.Usage()
	must(t, err)
	kerneltest.Need(t, "cgroup pids", before.PIDs > 0, "no groups for this user")
	do(t, s, "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done")
	after, err := s.Usage()
	must(t, err)
	if after.CPU <= before.CPU || after.Memory <= 0 || after.MemoryPeak < after.Memory || after.PIDs < 1 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	must(t, s.Limit(policy.Limits{PIDs: 16}))
	res := do(t, s, "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17; do sleep 1 & done; wait")
	if res.ExitCode == 0 || !strings.Contains(strings.ToLower(string(res.Stderr)), "fork") {
		t.Errorf("17 processes under a limit of 16: exit %d, %q", res.ExitCode, res.Stderr)
	}
	if u, _ := s.Usage(); u.PIDsDenied == 0 {
		t.Errorf("usage %+v, want refused processes", u)
	}
}

func liveMemory(t *testing.T, m *sandbox.Manager) {
	needPython(t)
	req := sandbox.Request{}
	req.Policy.Limits.Memory = 64 << 20
	s, err := live.Open(t.Context(), m, req, live.Options{})
	kerneltest.Need(t, "cgroup memory", fault.KindOf(err) != fault.Unsupported, fmt.Sprint(err))
	must(t, err)
	defer s.Kill()
	res := do(t, s, `exec python3 -c 'b = bytearray(200 << 20)'`)
	if res.Limit != "memory" || res.Signal != 9 {
		t.Errorf("limit %q, signal %d", res.Limit, res.Signal)
	}
	if len(res.Report.Denials) == 0 || res.Report.Denials[0].Operation != "allocate memory" {
		t.Errorf("denials %+v", res.Report.Denials)
	}
	if res := do(t, s, "kill -9 $$"); res.Limit != "" || res.Signal != 9 {
		t.Errorf("a kill of its own: limit %q, signal %d", res.Limit, res.Signal)
	}
}

func livePause(t *testing.T, m *sandbox.Manager) {
	s := open(t, m, sandbox.Request{}, live.Options{})
	c := s.Command("sh", "-c", "while :; do echo x >> ticks; sleep 0.01; done")
	must(t, c.Start(t.Context()))
	defer func() { _ = c.Signal(t.Context(), unix.SIGKILL); _, _ = c.Wait() }()
	err := s.Pause()
	kerneltest.Need(t, "cgroup freezer", fault.KindOf(err) != fault.Unsupported, fmt.Sprint(err))
	must(t, err)
	must(t, s.Pause())
	if !s.Paused() {
		t.Error("it does not say that it is paused")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := s.Ping(ctx); err == nil {
		t.Error("a paused sandbox answers")
	}
	must(t, s.Resume())
	must(t, s.Resume())
	must(t, s.Ping(t.Context()))
}

func liveClosePaused(t *testing.T, m *sandbox.Manager) {
	s := open(t, m, sandbox.Request{}, live.Options{})
	err := s.Pause()
	kerneltest.Need(t, "cgroup freezer", fault.KindOf(err) != fault.Unsupported, fmt.Sprint(err))
	must(t, err)
	must(t, s.Close())
	must(t, s.Close())
	if err := s.Resume(); !errors.Is(err, live.ErrClosed) {
		t.Errorf("Resume = %v", err)
	}
}

func liveClose(t *testing.T, m *sandbox.Manager) {
	s := open(t, m, sandbox.Request{}, live.Options{})
	c := s.Command("sh", "-c", "trap 'echo bye; exit 0' TERM; echo up; sleep 1000 & wait")
	out := c.StdoutPipe()
	must(t, c.Start(t.Context()))
	_, err := io.ReadFull(out, make([]byte, 3))
	must(t, err)
	pid := s.PID()
	must(t, s.Close())
	must(t, s.Close())
	must(t, s.Kill())
	if rest, _ := io.ReadAll(out); string(rest) != "bye\n" {
		t.Errorf("last words %q", rest)
	}
	_, _ = c.Wait()
	if err := unix.Kill(pid, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("the first process is still there: %v", err)
	}
	if !errors.Is(s.Err(), live.ErrClosed) {
		t.Errorf("Err = %v", s.Err())
	}
	if _, err := s.Command("true").Run(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a command after the end: %v", err)
	}
	if len(s.Report().Steps) == 0 {
		t.Error("the report is gone with the sandbox")
	}
}

func liveIdle(t *testing.T, m *sandbox.Manager) {
	s := open(t, m, sandbox.Request{}, live.Options{Idle: 100 * time.Millisecond})
	<-s.Done()
	if !errors.Is(s.Err(), live.ErrIdle) {
		t.Errorf("Err = %v", s.Err())
	}
}

func liveNotIdle(t *testing.T, m *sandbox.Manager) {
	s := open(t, m, sandbox.Request{}, live.Options{Idle: 300 * time.Millisecond})
	if res := do(t, s, "sleep 1; echo done"); string(res.Stdout) != "done\n" {
		t.Errorf("%+v", res)
	}
	<-s.Done()
}

func liveInitDies(t *testing.T, m *sandbox.Manager) {
	s := open(t, m, sandbox.Request{}, live.Options{})
	c := s.Command("sleep", "1000")
	must(t, c.Start(t.Context()))
	must(t, unix.Kill(s.PID(), unix.SIGKILL))
	if _, err := c.Wait(); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("Wait = %v", err)
	}
	<-s.Done()
	if err := s.Err(); err == nil || errors.Is(err, live.ErrClosed) {
		t.Errorf("Err = %v", err)
	}
}

func liveKillAll(t *testing.T, m *sandbox.Manager) {
	s := open(t, m, sandbox.Request{}, live.Options{})
	do(t, s, "kill -9 -1; kill -9 1; kill -TERM 1; kill -INT 1")
	if res := do(t, s, "echo alive"); string(res.Stdout) != "alive\n" {
		t.Errorf("%+v", res)
	}
}

func needPython(t *testing.T) {
	t.Helper()
	_, err := os.Stat("/usr/bin/python3")
	kerneltest.Need(t, "python3", err == nil, "no /usr/bin/python3")
}
