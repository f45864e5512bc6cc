// Package sandboxtest holds what every layer must do: one suite, run by each.
package sandboxtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
)

// Run runs the suite on a manager with one layer.
func Run(t *testing.T, m *sandbox.Manager) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, m) })
	}
}

// cases are the suite, each named as a sentence.
var cases = []struct {
	name string
	run  func(*testing.T, *sandbox.Manager)
}{
	{"keeps streams apart and tells the status", keepsStreamsApartAndTellsTheStatus},
	{"shows an empty host", showsAnEmptyHost},
	{"ends the whole tree", endsTheWholeTree},
	{"stops at the wall time", stopsAtTheWallTime},
	{"kills what ignores SIGTERM", killsWhatIgnoresSIGTERM},
	{"bounds the output", boundsTheOutput},
	{"grants folders", grantsFolders},
	{"uses the work folder", usesTheWorkFolder},
	{"cancels with the context", cancelsWithTheContext},
	{"many at once", manyAtOnce},
}

func keepsStreamsApartAndTellsTheStatus(t *testing.T, m *sandbox.Manager) {
	res := run(t, m, sh("cat; echo out; echo err >&2; exit 3"), sandbox.IO{Stdin: strings.NewReader("in\n")})
	if string(res.Stdout) != "in\nout\n" || string(res.Stderr) != "err\n" || res.ExitCode != 3 {
		t.Errorf("stdout %q, stderr %q, exit %d", res.Stdout, res.Stderr, res.ExitCode)
	}
}

// viewRows are what a script sees inside.
var viewRows = []struct{ name, script, want string }{
	{"the user is not root", "id -u | grep -qx 0 && echo root || echo other", "other\n"},
	{"the user has a name", "id -un", "sandbox\n"},
	{"the first process is not the command", "[ $$ = 1 ] || echo no", "no\n"},
	{"only its own processes", "set -- /proc/[0-9]*; echo $#", "2\n"},
	{"a home that can be written", "cd && echo x > f && cat f", "x\n"},
	{"a work folder of its own", "pwd; touch f && ls", "/work\nf\n"},
	{"scratch that can run programs", "cp /bin/true /tmp/t && /tmp/t && echo ran", "ran\n"},
	{"no shadow file", "cat /etc/shadow 2>&1 | grep -c 'No such file'", "1\n"},
	{"no home of the host", "ls /root /home 2>/dev/null | grep -v sandbox | wc -l", "1\n"},
	{"system folders are read-only", "touch /usr/x 2>&1 | grep -c -e 'Read-only' -e denied", "1\n"},
	{"one network device", "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '", "lo\n"},
	{"no capabilities", "grep -c 'Cap[EPI][frn][fmh]:.0*$' /proc/self/status", "3\n"},
	{"no new privileges", "grep NoNewPrivs /proc/self/status | tr -d '\\t'", "NoNewPrivs:1\n"},
	{"a filter", "grep '^Seccomp:' /proc/self/status | tr -d '\\t'", "Seccomp:2\n"},
	{"no descriptors beyond stdio", "ls /proc/self/fd | tr '\\n' ' '", "0 1 2 3 "},
	{"shared memory", "echo x > /dev/shm/f && cat /dev/shm/f", "x\n"},
	{"null device", "echo x > /dev/null && head -c 4 /dev/zero | wc -c", "4\n"},
	{"host name", "cat /proc/sys/kernel/hostname", "sandbox\n"},
}

func showsAnEmptyHost(t *testing.T, m *sandbox.Manager) {
	for _, tt := range viewRows {
		t.Run(tt.name, func(t *testing.T) {
			res := run(t, m, sh(tt.script), sandbox.IO{})
			if got := string(res.Stdout); got != tt.want {
				t.Errorf("stdout = %q, want %q (stderr %q)", got, tt.want, res.Stderr)
			}
		})
	}
}

func endsTheWholeTree(t *testing.T, m *sandbox.Manager) {
	started := time.Now()
	res := run(t, m, sh("setsid sleep 1000 >/dev/null 2>&1 & (setsid sleep 1000 &) ; exit 0"), sandbox.IO{})
	if res.ExitCode != 0 || time.Since(started) > 30*time.Second {
		t.Errorf("exit %d after %v, want 0 at once", res.ExitCode, time.Since(started))
	}
}

func stopsAtTheWallTime(t *testing.T, m *sandbox.Manager) {
	req := sh("trap 'echo asked; exit 7' TERM; sleep 1000 & wait")
	req.Policy.Limits.WallTime = 300 * time.Millisecond
	res := run(t, m, req, sandbox.IO{})
	if !res.TimedOut || string(res.Stdout) != "asked\n" || res.ExitCode != 7 {
		t.Errorf("timed out %v, stdout %q, exit %d", res.TimedOut, res.Stdout, res.ExitCode)
	}
}

func killsWhatIgnoresSIGTERM(t *testing.T, m *sandbox.Manager) {
	req := sh("trap '' TERM; while :; do sleep 1; done")
	req.Policy.Limits.WallTime = 200 * time.Millisecond
	res := run(t, m, req, sandbox.IO{})
	if !res.TimedOut || res.Signal != 9 {
		t.Errorf("timed out %v, signal %d, want 9", res.TimedOut, res.Signal)
	}
}

func boundsTheOutput(t *testing.T, m *sandbox.Manager) {
	req := sh("yes")
	req.Policy.Limits.Output = 1000
	res := run(t, m, req, sandbox.IO{})
	if !res.Truncated || res.Limit != "output" || len(res.Stdout) != 1000 {
		t.Errorf("truncated %v, limit %q, %d bytes", res.Truncated, res.Limit, len(res.Stdout))
	}
}

func grantsFolders(t *testing.T, m *sandbox.Manager) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "ro"), 0o700))
	must(t, os.Mkdir(filepath.Join(dir, "rw"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "ro", "f"), []byte("secret\n"), 0o600))
	req := sh(fmt.Sprintf("cat %[1]s/ro/f; echo new > %[1]s/rw/g; touch %[1]s/ro/x 2>/dev/null || echo refused; ls %[1]s", dir))
	req.Policy.Filesystem.Read = []string{filepath.Join(dir, "ro")}
	req.Policy.Filesystem.Write = []string{filepath.Join(dir, "rw")}
	res := run(t, m, req, sandbox.IO{})
	if want := "secret\nrefused\nro\nrw\n"; string(res.Stdout) != want {
		t.Errorf("stdout = %q, want %q (stderr %q)", res.Stdout, want, res.Stderr)
	}
	info, err := os.Stat(filepath.Join(dir, "rw", "g"))
	must(t, err)
	own, err := os.Stat(filepath.Join(dir, "rw"))
	must(t, err)
	if uid(info) != uid(own) {
		t.Errorf("owner of the new file = %d, want the folder's %d", uid(info), uid(own))
	}
}

func usesTheWorkFolder(t *testing.T, m *sandbox.Manager) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "in"), []byte("input"), 0o600))
	req := sh("cat in; echo done > out")
	req.Workspace = dir
	res := run(t, m, req, sandbox.IO{})
	out, err := os.ReadFile(filepath.Join(dir, "out"))
	if string(res.Stdout) != "input" || err != nil || string(out) != "done\n" {
		t.Errorf("stdout %q, out %q, %v (stderr %q)", res.Stdout, out, err, res.Stderr)
	}
}

func cancelsWithTheContext(t *testing.T, m *sandbox.Manager) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	res, err := m.Run(ctx, sh("sleep 1000"), sandbox.IO{})
	if err != nil || !res.Cancelled {
		t.Errorf("Run = %+v, %v, want cancelled", res, err)
	}
}

func manyAtOnce(t *testing.T, m *sandbox.Manager) {
	const n = 20
	errs := make(chan error, n)
	for i := range n {
		go func() {
			res, err := m.Run(t.Context(), sh(fmt.Sprintf("echo %d", i)), sandbox.IO{})
			if err == nil && strings.TrimSpace(string(res.Stdout)) != fmt.Sprint(i) {
				err = fmt.Errorf("stdout %q, want %d", res.Stdout, i)
			}
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func run(t *testing.T, m *sandbox.Manager, req sandbox.Request, in sandbox.IO) sandbox.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	res, err := m.Run(ctx, req, in)
	if err != nil {
		t.Fatalf("Run(%q): %v", req.Args, err)
	}
	return res
}

func sh(script string) sandbox.Request { return sandbox.Request{Args: []string{"sh", "-c", script}} }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func uid(info os.FileInfo) uint32 { return info.Sys().(*syscall.Stat_t).Uid }
