package native_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest"
	"github.com/bulkhead-dev/bulkhead/internal/guest/guesttest"
	"github.com/bulkhead-dev/bulkhead/internal/jail/reexec"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/native"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/sandboxtest"
)

func TestMain(m *testing.M) {
	reexec.Init()
	os.Exit(sandboxtest.Main(m))
}

// launchers are both ways to start a sandbox: every test passes on each.
var launchers = []string{"program", "reexec"}

func TestLayer_doesWhatEveryLayerMust(t *testing.T) {
	each(t, func(t *testing.T, m *sandbox.Manager) { sandboxtest.Run(t, m) })
}

func TestLayer_hasLiveSandboxesThatDoWhatTheyMust(t *testing.T) {
	for _, name := range launchers {
		t.Run(name, func(t *testing.T) {
			sandboxtest.RunLive(t, sandbox.New(native.New(native.Options{Launcher: name, LeaseDir: leaseDir(t), Init: sandboxtest.Init(t)})))
		})
	}
}

// Everything that a session must do, it does behind all walls.
func TestBoot_servesTheGuestProtocol(t *testing.T) {
	l := native.New(native.Options{LeaseDir: leaseDir(t), Init: sandboxtest.Init(t)})
	guesttest.Run(t, func(t testing.TB) *guesttest.Guest {
		m, err := l.Boot(t.Context(), sandbox.Request{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close() })
		c, err := guest.Dial(t.Context(), m.Conn(), guest.Options{FilterKey: m.Inside().Key})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return &guesttest.Guest{Client: c, Dir: m.Inside().Dir, First: true}
	})
}

func each(t *testing.T, f func(t *testing.T, m *sandbox.Manager)) {
	for _, name := range launchers {
		t.Run(name, func(t *testing.T) {
			f(t, sandbox.New(native.New(native.Options{Launcher: name, LeaseDir: leaseDir(t)})))
		})
	}
}

func leaseDir(t *testing.T) string {
	if os.Getuid() == 0 {
		return "" // the host's: users are unique on the host
	}
	return filepath.Join(t.TempDir(), "uids")
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

func TestRun_refusesGrantsThatAreNotFilesOrAreItsOwn(t *testing.T) {
	state := t.TempDir()
	leases := t.TempDir()
	m := sandbox.New(native.New(native.Options{State: []string{state}, LeaseDir: leases}))
	for _, path := range []string{"/", "/proc", "/dev/null", "/home", "relative", "/nonexistent", state, filepath.Dir(state), leases} {
		req := sh("true")
		req.Policy.Filesystem.Read = []string{path}
		if _, err := m.Run(t.Context(), req, sandbox.IO{}); fault.KindOf(err) != fault.Denied {
			t.Errorf("grant %q: %v, want it denied", path, err)
		}
	}
}

func TestRun_grantsAFileThatItWouldMakeItself(t *testing.T) {
	want, err := os.ReadFile("/etc/hosts")
	must(t, err)
	each(t, func(t *testing.T, m *sandbox.Manager) {
		req := sh("cat /etc/hosts")
		req.Policy.Filesystem.Read = []string{"/etc/hosts"}
		if res := run(t, m, req, sandbox.IO{}); string(res.Stdout) != string(want) {
			t.Errorf("stdout = %q, want the host's %q", res.Stdout, want)
		}
	})
}

func TestRun_tellsWhatIsNotThere(t *testing.T) {
	each(t, func(t *testing.T, m *sandbox.Manager) {
		if res := run(t, m, sandbox.Request{Args: []string{"/nonexistent"}}, sandbox.IO{}); res.ExitCode != 127 {
			t.Errorf("exit = %d, want 127", res.ExitCode)
		}
		if res := run(t, m, sandbox.Request{Args: []string{"/etc/passwd"}}, sandbox.IO{}); res.ExitCode != 126 {
			t.Errorf("exit = %d, want 126", res.ExitCode)
		}
	})
	m := sandbox.New(native.New(native.Options{}))
	if _, err := m.Run(t.Context(), sandbox.Request{Args: []string{"no-such-program"}}, sandbox.IO{}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("Run = %v, want not found", err)
	}
}

func TestRun_refusesWhatTheHostCannotEnforce(t *testing.T) {
	for _, wall := range []string{"landlock", "seccomp"} {
		m := sandbox.New(native.New(native.Options{Without: []string{wall}}))
		_, err := m.Run(t.Context(), sh("true"), sandbox.IO{})
		if fault.KindOf(err) != fault.Unsupported || !strings.HasPrefix(err.Error(), wall+":") {
			t.Errorf("without %s: %v, want a refusal that names it", wall, err)
		}
		req := sh("echo ran")
		req.Policy.BestEffort = true
		res := run(t, m, req, sandbox.IO{})
		if string(res.Stdout) != "ran\n" || len(res.Report.Missing) == 0 || !strings.HasPrefix(res.Report.Missing[0], wall) {
			t.Errorf("best effort without %s: stdout %q, missing %q", wall, res.Stdout, res.Report.Missing)
		}
	}
}

func TestRun_refusesAWrittenMemoryLimitWithoutCgroups(t *testing.T) {
	m := sandbox.New(native.New(native.Options{Without: []string{"cgroup"}}))
	req := sh("true")
	req.Policy.Limits.Memory = 64 << 20
	if _, err := m.Run(t.Context(), req, sandbox.IO{}); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("written limit: %v, want unsupported", err)
	}
	res := run(t, m, sh("true"), sandbox.IO{})
	if !unenforced(res.Report, "cgroup memory") {
		t.Errorf("default limit: report %+v, want cgroup memory unenforced", res.Report.Steps)
	}
}

func TestPlan_printsEveryCall(t *testing.T) {
	l := native.New(native.Options{})
	pl, err := l.Plan(t.Context(), sh("true"))
	must(t, err)
	defer pl.Close()
	var b bytes.Buffer
	must(t, pl.Print(&b))
	for _, want := range []string{"clone3(", "pivot_root(", "landlock_restrict_self(", "PR_SET_NO_NEW_PRIVS", "seccomp(", "execve("} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("plan lacks %q:\n%s", want, b.String())
		}
	}
}

func TestProbe_startsASandbox(t *testing.T) {
	for _, c := range native.New(native.Options{}).Probe(t.Context()) {
		if c.Name == "sandbox" && !c.OK {
			t.Errorf("probe: %+v", c)
		}
	}
}

func unenforced(r event.Report, name string) bool {
	for _, s := range r.Steps {
		if s.Name == name && s.Status == event.Unenforced {
			return true
		}
	}
	return false
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A vforked child shares our memory while it walks the program: what it sets
// for itself must not stick to us.
func TestRun_leavesItsOwnProcessAlone(t *testing.T) {
	each(t, func(t *testing.T, m *sandbox.Manager) {
		before := self(t)
		run(t, m, sh("true"), sandbox.IO{})
		if after := self(t); after != before {
			t.Errorf("own process = %+v, want %+v", after, before)
		}
	})
}

// process is what a start could change in this process by accident.
type process struct{ oomScore, dir, limits, status string }

func self(t *testing.T) process {
	t.Helper()
	read := func(name string) string {
		b, err := os.ReadFile("/proc/self/" + name)
		must(t, err)
		return string(b)
	}
	dir, err := os.Getwd()
	must(t, err)
	var kept []string
	for _, line := range strings.Split(read("status"), "\n") {
		for _, key := range []string{"Uid:", "Gid:", "Cap", "NoNewPrivs:", "Seccomp:", "Umask:", "SigBlk:"} {
			if strings.HasPrefix(line, key) {
				kept = append(kept, line)
			}
		}
	}
	return process{oomScore: read("oom_score_adj"), dir: dir, limits: read("limits"), status: strings.Join(kept, "\n")}
}

func TestRun_tellsWhatWasRefusedUnderATrace(t *testing.T) {
	each(t, func(t *testing.T, m *sandbox.Manager) {
		const secret = "/etc/shadow"
		req := sh(fmt.Sprintf("cat %s; touch /usr/x; kill -9 1; echo done", secret))
		req.Policy.TraceDenials = true
		res := run(t, m, req, sandbox.IO{})
		if string(res.Stdout) != "done\n" {
			t.Errorf("stdout = %q (stderr %q)", res.Stdout, res.Stderr)
		}
		for _, want := range []event.Denial{
			{Operation: "open", Object: secret, Step: "private root", Grant: "--read " + secret},
			{Operation: "create", Object: "/usr/x", Step: "read-only mount"},
		} {
			if !denied(res.Report, want) {
				t.Errorf("denials = %+v, want %+v", res.Report.Denials, want)
			}
		}
	})
}

func denied(r event.Report, want event.Denial) bool {
	for _, d := range r.Denials {
		if d.Operation == want.Operation && d.Object == want.Object && d.Step == want.Step && (want.Grant == "" || d.Grant == want.Grant) {
			return true
		}
	}
	return false
}
