//go:build linux

package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
)

// TestMain gives the tests a corner of their own.
func TestMain(m *testing.M) {
	parent = fmt.Sprintf("bulkhead-test-%d", os.Getpid())
	code := m.Run()
	if h, err := Detect(); err == nil {
		for _, c := range h.Controllers() {
			_ = unix.Rmdir(c.Dir)
		}
	}
	os.Exit(code)
}

// usable detects this host's hierarchy and skips without the controllers.
func usable(t *testing.T, names ...string) Hierarchy {
	t.Helper()
	h, err := Detect()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range h.Controllers() {
		for _, n := range names {
			if c.Name == n {
				kerneltest.Need(t, "cgroup "+n, c.Usable, c.Why)
			}
		}
	}
	return h
}

func group(t *testing.T, h Hierarchy, l Limits) *Group {
	t.Helper()
	g, err := h.New(fmt.Sprintf("test-%d-%s", os.Getpid(), strings.ToLower(t.Name())), l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Kill(); err != nil {
			t.Error(err)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// inside runs a shell script in the group. The script's own first act is to
// enter, as a sandbox's first process does.
func inside(t *testing.T, g *Group, script string) *exec.Cmd {
	t.Helper()
	var enter strings.Builder
	cmd := exec.Command("/bin/sh", "-c")
	for i, f := range g.TaskFiles() {
		fmt.Fprintf(&enter, "echo 0 >&%d || exit 125; ", 3+i)
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	cmd.Args = append(cmd.Args, enter.String()+script)
	if fd := g.DirFD(); fd >= 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: fd}
	}
	return cmd
}

func TestGroup_boundsMemoryAndCountsTheKill(t *testing.T) {
	g := group(t, usable(t, "memory"), Limits{Memory: 24 << 20})
	if m := g.Missing(); len(m) != 0 {
		t.Errorf("Missing = %v", m)
	}
	out, err := inside(t, g, "dd if=/dev/zero of=/dev/null bs=96M count=1; echo ended $?").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "ended 137") {
		t.Errorf("dd in 24 MiB: %v\n%s", err, out)
	}
	ev, err := g.Events()
	if err != nil || ev.OOMKills != 1 {
		t.Errorf("Events = %+v, %v, want one kill", ev, err)
	}
	if p := g.Peak(); p < 1<<20 || p > 24<<20 {
		t.Errorf("Peak = %d, want at most the limit", p)
	}
}

func TestGroup_boundsProcessesAndCountsRefusals(t *testing.T) {
	g := group(t, usable(t, "pids"), Limits{Pids: 4})
	out, _ := inside(t, g, "for i in 1 2 3 4 5; do sleep 99 >&- 2>&- & done; echo all").CombinedOutput()
	if strings.Contains(string(out), "all") {
		t.Errorf("six processes in a group of four:\n%s", out)
	}
	ev, err := g.Events()
	if err != nil || ev.PidsMax == 0 {
		t.Errorf("Events = %+v, %v, want refusals", ev, err)
	}
	if n := g.Current(); n < 1 || n > 4 {
		t.Errorf("Current = %d, want the sleepers", n)
	}
}

func TestGroup_showsItsLimitsToThoseInside(t *testing.T) {
	g := group(t, usable(t, "memory", "pids", "cpu"), Limits{Memory: 64 << 20, Pids: 30, CPUs: 0.5})
	var got []string
	for _, m := range g.members {
		for _, f := range []string{
			"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "pids.max", "cpu.cfs_quota_us", "cpu.cfs_period_us",
			"memory.max", "memory.swap.max", "cpu.max",
		} {
			if w := words(filepath.Join(m.path, f)); len(w) > 0 {
				got = append(got, f+"="+strings.Join(w, " "))
			}
		}
	}
	text := strings.Join(got, " ")
	for _, want := range []string{"=67108864", "pids.max=30", "=50000"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
}

func TestKill_endsAForkBomb(t *testing.T) {
	g := group(t, usable(t, "pids"), Limits{Pids: 60})
	cmd := inside(t, g, "f() { f & f & wait; }; echo go; f; sleep 99")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	if err := g.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	for _, m := range g.members {
		if pids := words(filepath.Join(m.path, "cgroup.procs")); len(pids) != 0 {
			t.Errorf("%d processes survive", len(pids))
		}
	}
}

func TestKillMember_sparesAProcessThatIsElsewhere(t *testing.T) {
	g := group(t, usable(t, "pids"), Limits{})
	cmd := exec.Command("sleep", "99")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	killMember(cmd.Process.Pid, g.members[0].path)
	if err := cmd.Process.Signal(syscall.Signal(0)); err != nil || state(cmd.Process.Pid) == "Z" {
		t.Errorf("a process outside the group was killed: %v", err)
	}
}

func state(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := strings.Cut(string(b), ") ")
	return after[:1]
}

func TestNew_refusesANameInUseAndTakesOneThatIsFree(t *testing.T) {
	h := usable(t, "pids")
	g := group(t, h, Limits{})
	if _, err := h.New(g.name, Limits{}); fault.KindOf(err) != fault.Exists {
		t.Errorf("New with a name in use: %v, want fault.Exists", err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := h.New(g.name, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSweep_removesWhatADeadOwnerLeft(t *testing.T) {
	h := usable(t, "pids")
	g := group(t, h, Limits{})
	cmd := inside(t, g, "echo in; exec sleep 99")
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 2)); err != nil {
		t.Fatal(err)
	}

	if _, err := h.Sweep(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(g.members[0].path); err != nil {
		t.Fatalf("Sweep took a group whose owner lives: %v", err)
	}
	for _, m := range g.members {
		m.lock.Close() // as the kernel does when the owner dies
	}
	n, err := h.Sweep()
	if err != nil || n < len(g.members) {
		t.Errorf("Sweep = %d, %v, want at least %d", n, err, len(g.members))
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the orphan was not killed")
	}
}

func TestNew_saysWhichLimitsAreMissing(t *testing.T) {
	h := detect(nil, membership{}, wanted)
	g, err := h.New("nothing", Limits{Memory: 1, Pids: 1})
	if err != nil {
		t.Fatal(err)
	}
	if m := g.Missing(); len(m) != 2 || !strings.HasPrefix(m[0], "cgroup memory: ") {
		t.Errorf("Missing = %q", m)
	}
	if g.DirFD() != -1 || len(g.TaskFiles()) != 0 || g.Peak() != 0 || g.Kill() != nil || g.Close() != nil {
		t.Error("a group without folders does something")
	}
}

func TestNew_refusesBadNamesAndLimits(t *testing.T) {
	h := detect(nil, membership{}, wanted)
	for _, name := range []string{"", "..", "a/b", "A", strings.Repeat("a", 65), ".hidden"} {
		if _, err := h.New(name, Limits{}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("name %q: %v, want fault.Invalid", name, err)
		}
	}
	for _, l := range []Limits{{Memory: -1}, {Pids: -1}, {CPUs: -1}, {CPUs: 0.001}, {CPUs: 1e9}} {
		if _, err := h.New("x", l); fault.KindOf(err) != fault.Invalid {
			t.Errorf("limits %+v: %v, want fault.Invalid", l, err)
		}
	}
}

// The memory controllers of this kind of host may all be in version 1. Any
// controller that is in version 2 shows that the version 2 path works.
func TestVersion2_bearsAProcessInItsGroup(t *testing.T) {
	kerneltest.NeedRoot(t)
	h, name := anyV2(t)
	g := &Group{name: fmt.Sprintf("test-v2-%d", os.Getpid())}
	if err := g.addV2(h.v2, []string{name}, Limits{}); err != nil {
		t.Fatal(err)
	}
	if len(g.missing) > 0 || g.DirFD() < 0 {
		t.Fatalf("missing %q, fd %d", g.missing, g.DirFD())
	}
	cmd := inside(t, g, "cat /proc/self/cgroup; echo in; exec sleep 99")
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, _ := out.Read(b)
	if want := "/" + parent + "/" + g.name; !strings.Contains(string(b[:n]), want) {
		t.Errorf("the child's groups lack %q:\n%s", want, b[:n])
	}
	if err := g.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	_ = unix.Rmdir(filepath.Join(h.v2.base, parent))
}

// anyV2 finds a controller of the version 2 hierarchy.
func anyV2(t *testing.T) (Hierarchy, string) {
	t.Helper()
	mountinfo, _ := os.ReadFile("/proc/self/mountinfo")
	own, _ := os.ReadFile("/proc/self/cgroup")
	tree := findTree(parseMounts(string(mountinfo)), parseOwn(string(own)))
	kerneltest.Need(t, "cgroup v2", tree != nil && tree.base != "", "no version 2 hierarchy to make groups in")
	offered := words(filepath.Join(tree.base, "cgroup.controllers"))
	kerneltest.Need(t, "cgroup v2", len(offered) > 0, "its hierarchy has no controller")
	return Hierarchy{v2: tree}, offered[0]
}
