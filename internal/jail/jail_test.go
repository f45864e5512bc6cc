package jail

import (
	"bytes"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/spawn"
)

var update = flag.Bool("update", false, "write the golden files")

// sample is a spec that uses every kind of step once.
func sample() *Spec {
	return &Spec{
		Hostname: "sandbox", UID: 70000, GID: 70000, Joined: true,
		Binds: []Bind{
			{Source: "/usr", Target: "/usr", Folder: true},
			{Source: "/srv/in", Target: "/srv/in", Folder: true, Mapped: 1},
			{Source: "/srv/out/file", Target: "/srv/out/file", Write: true, Mapped: 1},
		},
		Devices:  []string{"null"},
		Tmpfs:    []Tmpfs{{Target: "/tmp", Size: 1 << 20, Mode: 0o1777}},
		Links:    []Link{{Path: "/bin", Target: "usr/bin"}},
		Files:    []File{{Path: "/etc/passwd", Data: []byte("x"), Mode: 0o644}},
		Masks:    []string{"/proc/kcore"},
		ReadOnly: []string{"/proc/sys"},
		Rules:    []Rule{{Path: "/usr", Access: 0xd}},
		Landlock: &Landlock{Attr: make([]byte, 24)},
		Seccomp:  []unix.SockFilter{{Code: 6, K: 0x7fff0000}},
		Rlimits:  []Rlimit{{Resource: unix.RLIMIT_CORE, Name: "RLIMIT_CORE", Value: 1}},
		Groups:   1,
		Init:     "/.bulkhead/init", Args: []string{"/usr/bin/true", "true"}, Env: []string{"TOKEN=hush"}, Dir: "/work",
	}
}

func print(t *testing.T, p *spawn.Program) string {
	t.Helper()
	var b bytes.Buffer
	if err := p.Print(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestProgram_isTheOneThatWasReviewed(t *testing.T) {
	rootless := sample()
	rootless.UserNS = &spawn.IDMap{InnerUID: 1000, OuterUID: 1001, InnerGID: 1000, OuterGID: 1001}
	rootless.Joined = false
	traced := sample()
	traced.Listen = true
	for name, spec := range map[string]*Spec{"root": sample(), "rootless": rootless, "traced": traced} {
		t.Run(name, func(t *testing.T) { golden(t, name, spec.Program(1)) })
	}
}

// golden compares a program with the one that was reviewed.
func golden(t *testing.T, name string, p *spawn.Program) {
	t.Helper()
	got := print(t, p)
	file := "testdata/" + name + ".golden"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the program changed (run with -update after a review):\n%s", diff)
	}
}

// order is what must come before what, and why is in steps_linux.go.
var order = [][2]string{
	{"openat2(", "pivot_root("},
	{"open_tree(", `mount("tmpfs", "/tmp"`},
	{"pivot_root(", "landlock_create_ruleset("},
	{"landlock_add_rule(", "setresuid("},
	{"setgroups(", "setresuid("},
	{"setresgid(", "setresuid("},
	{"setresuid(", "PR_SET_PDEATHSIG"},
	{"PR_SET_NO_NEW_PRIVS", "landlock_restrict_self("},
	{"capset(", "seccomp("},
	{"landlock_restrict_self(", "seccomp("},
	{"close_range(", "execve("},
	{"seccomp(", "execve("},
}

func TestProgram_keepsTheOrderThatTheKernelNeeds(t *testing.T) {
	text := print(t, sample().Program(1))
	for _, o := range order {
		first, second := strings.Index(text, o[0]), strings.Index(text, o[1])
		if first < 0 || second < 0 || first > second {
			t.Errorf("%q at %d must come before %q at %d", o[0], first, o[1], second)
		}
	}
}

func TestProgram_neverPrintsTheEnvironment(t *testing.T) {
	if text := print(t, sample().Program(1)); strings.Contains(text, "hush") {
		t.Error("the plan shows a variable's value")
	}
}

func TestProgram_dropsAWallForTests(t *testing.T) {
	for _, w := range walls {
		if w.name == stepPlace || w.name == StepCommand || w.name == StepUserNS {
			continue
		}
		spec := sample()
		spec.Drop = []string{w.name}
		p := spec.Program(1)
		if slices.ContainsFunc(p.Ops, func(op spawn.Op) bool { return op.Step == w.name }) {
			t.Errorf("%s is still there", w.name)
		}
	}
}

func TestProgram_hasRoomForManyGrants(t *testing.T) {
	spec := sample()
	for range 40 {
		spec.Binds = append(spec.Binds, Bind{Source: "/a", Target: "/a", Folder: true, Mapped: 1})
		spec.Rules = append(spec.Rules, Rule{Path: "/a", Access: 1})
	}
	if free := spec.Program(1).Free(); free < 0 {
		t.Errorf("free slots = %d", free)
	}
}

func TestTemplate_isTheOneThatWasReviewed(t *testing.T) {
	spec := sample()
	spec.Binds = spec.Binds[:1]
	golden(t, "template", spec.Template())

	joined := sample()
	joined.Joins, joined.Binds = true, joined.Binds[1:2]
	golden(t, "joined", joined.Program(1))
}
