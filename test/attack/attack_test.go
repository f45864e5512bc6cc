//go:build linux

package attack

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/jail/reexec"
)

// pinned is how many rows there are for whom, and how many of them must have
// been run, at least: some hosts lack what an attack needs.
var pinned = map[string]struct{ rows, ran int }{
	"root": {121, 110},
	"user": {98, 92},
}

// launchers are both ways to start a sandbox: every row is run with each.
var launchers = []string{"program", "reexec"}

// base is the folder of the whole run; victim is the program in it.
var base, victim string

func TestMain(m *testing.M) {
	reexec.Init()
	starter()
	code, err := setUp(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// setUp builds the victim and runs the tests. The folder is in /var/tmp: a
// sandbox has a /tmp of its own, which Landlock allows by its name.
func setUp(m *testing.M) (int, error) {
	var err error
	if base, err = os.MkdirTemp("/var/tmp", "bulkhead-attack-*"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(base)
	victim = filepath.Join(base, "bin", "victim")
	for _, dir := range []string{base, filepath.Dir(victim)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return 1, err
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			return 1, err
		}
	}
	build := exec.Command("go", "build", "-trimpath", "-o", victim, "./victim")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build victim: %w\n%s", err, out)
	}
	// What tests of the layer leave for a sandbox without a root of its own.
	if err := os.Setenv("TMPDIR", base); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

func TestRows_areStoppedByTheirWalls(t *testing.T) {
	ran := map[string]bool{}
	for _, launcher := range launchers {
		t.Run(launcher, func(t *testing.T) {
			for _, r := range rows {
				if !r.runs(launcher) {
					continue
				}
				t.Run(r.id+" "+r.attack, func(t *testing.T) {
					r.need.check(t)
					r.prove(t, launcher)
					ran[r.id+r.attack] = true
				})
			}
		})
	}
	fmt.Printf("attack rows: %d (%s)\n", len(ran), who())
	if want := pinned[who()].ran; len(ran) < want && !filtered() {
		t.Errorf("%d rows were run; %d are pinned", len(ran), want)
	}
}

func TestRows_areAllThere(t *testing.T) {
	n := 0
	for _, r := range rows {
		if r.only == "" || r.only == who() {
			n++
		}
	}
	if want := pinned[who()].rows; n != want {
		t.Errorf("%d rows for %s; %d are pinned", n, who(), want)
	}
}

// prove shows that the row's walls stop it, and that nothing else does.
func (r row) prove(t *testing.T, launcher string) {
	if r.bare {
		c := newCell(t, r, launcher, nil)
		c.bare = true
		if v := r.try(c); !v.succeeded {
			t.Errorf("without a sandbox it failed too, so it proves nothing: %s", v.saw)
		}
	} else if v := r.try(newCell(t, r, launcher, r.open())); !v.succeeded {
		t.Errorf("without %q it failed too, so they are not what stops it: %s", r.open(), v.saw)
	}
	c := newCell(t, r, launcher, nil)
	if v := r.try(c); v.succeeded {
		t.Errorf("with all walls it succeeded: %s", v.saw)
	}
	c.reported(r)
	traced := newCell(t, r, launcher, nil)
	traced.policy.TraceDenials = true
	if v := r.try(traced); v.succeeded {
		t.Errorf("with all walls and a trace it succeeded: %s", v.saw)
	}
	if asRoot() {
		c := newCell(t, r, launcher, nil)
		c.fromTemplate()
		if v := r.try(c); v.succeeded {
			t.Errorf("with all walls, from a template, it succeeded: %s", v.saw)
		}
	}
	if r.bare || len(r.open()) < 2 {
		return
	}
	for _, wall := range r.stops() {
		if v := r.try(newCell(t, r, launcher, r.alone(wall))); v.succeeded {
			t.Errorf("%q does not stop it alone: %s", wall, v.saw)
		}
	}
}

// filtered says whether the caller asked for some rows only.
func filtered() bool {
	for _, a := range os.Args {
		if len(a) > 10 && a[:10] == "-test.run=" {
			return true
		}
	}
	return false
}
