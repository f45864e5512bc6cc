//go:build linux

package attack

import (
	"fmt"
	"os"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/jail/reexec"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
)

// pinned is how many rows there are for whom, and how many of them must have
// been run, at least: some hosts lack what an attack needs.
var pinned = map[string]struct{ rows, ran int }{
	"root": {122, 111},
	"user": {99, 92},
}

// launchers are both ways to start a sandbox: every row is run with each.
var launchers = []string{"program", "reexec"}

// house is the suite that all tests share.
var house *suite

func TestMain(m *testing.M) {
	Init()
	reexec.Init()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if house, err = newSuite(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := house.close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func TestRows_areStoppedByTheirWalls(t *testing.T) {
	ran := map[string]bool{}
	for _, launcher := range launchers {
		t.Run(launcher, func(t *testing.T) {
			for _, r := range rows() {
				if !r.runs(launcher) {
					continue
				}
				t.Run(r.id+" "+r.attack, func(t *testing.T) {
					kerneltest.Need(t, r.need.name, r.need.met(), "the attack would fail without a sandbox too")
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
	for _, r := range rows() {
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
		c := house.cell(t, r, launcher, nil)
		c.bare = true
		if v := r.try(c); !v.succeeded {
			t.Errorf("without a sandbox it failed too, so it proves nothing: %s", v.saw)
		}
	} else if v := r.try(house.cell(t, r, launcher, r.open())); !v.succeeded {
		t.Errorf("without %q it failed too, so they are not what stops it: %s", r.open(), v.saw)
	}
	c := house.cell(t, r, launcher, nil)
	if v := r.try(c); v.succeeded {
		t.Errorf("with all walls it succeeded: %s", v.saw)
	}
	for _, wall := range c.unreported(r) {
		t.Errorf("the report does not name %q as enforced", wall)
	}
	traced := house.cell(t, r, launcher, nil)
	traced.policy.TraceDenials = true
	if v := r.try(traced); v.succeeded {
		t.Errorf("with all walls and a trace it succeeded: %s", v.saw)
	}
	if asRoot() {
		c := house.cell(t, r, launcher, nil)
		c.fromTemplate()
		if v := r.try(c); v.succeeded {
			t.Errorf("with all walls, from a template, it succeeded: %s", v.saw)
		}
	}
	if r.bare || len(r.open()) < 2 {
		return
	}
	for _, wall := range r.stops() {
		if v := r.try(house.cell(t, r, launcher, r.alone(wall))); v.succeeded {
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
