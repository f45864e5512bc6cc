//go:build linux

package attack

import (
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/jail"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
)

// never are the steps that no attack has as its only wall, and why. The first
// group are walls that stand behind or before another: rows name them, and
// each stops its rows alone. The second cannot be taken out by themselves.
var never = map[string]string{
	landlock:            "the second wall around files: the private root holds nothing that was not granted",
	jail.StepNoNewPrivs: "every mount is nosuid too; Landlock and seccomp need it",
	utsNS:               "the filter, the user id and the missing capabilities stop the same calls",

	jail.StepUserNS:  "an ordinary user has no sandbox without it",
	mountNS:          "part of the private root",
	jail.StepGrants:  "part of the private root",
	jail.StepProc:    "part of the private root",
	jail.StepDev:     "part of the private root",
	jail.StepPivot:   "part of the private root",
	jail.StepCommand: "the command itself",

	"working directory": "there is no command without it; the row F12 goes for it",
}

// onlyWall finds a row that nothing but the wall stops, for root or a user.
func onlyWall(wall string) (row, bool) {
	for _, r := range rows() {
		for _, more := range [][]string{r.root, r.user} {
			if walls := slices.Concat(r.walls, more); len(walls) == 1 && walls[0] == wall {
				return r, true
			}
		}
	}
	return row{}, false
}

func TestSteps_eachStopsAnAttackThatNothingElseStops(t *testing.T) {
	for _, step := range steps(t) {
		if why := never[step]; why != "" {
			t.Logf("%s: %s", step, why)
			continue
		}
		r, ok := onlyWall(step)
		if !ok {
			t.Errorf("no row has the step %q as its only wall; add one, or say in the table why there is none", step)
			continue
		}
		t.Logf("%s: %s %s", step, r.id, r.attack)
	}
}

func TestRows_nameWallsThatExist(t *testing.T) {
	known := append(steps(t), jail.StepCgroup, userID) // root's
	for wall := range never {
		known = append(known, wall)
	}
	for _, r := range rows() {
		for _, wall := range slices.Concat(r.walls, r.root, r.user, r.with) {
			if !slices.Contains(known, wall) {
				t.Errorf("%s %s: no step is called %q", r.id, r.attack, wall)
			}
		}
		if len(r.walls)+len(r.root)+len(r.user) == 0 != r.bare {
			t.Errorf("%s %s: a row has walls, or it is compared with no sandbox", r.id, r.attack)
		}
		if (r.bare || r.only != "" || r.by != "") && r.why == "" {
			t.Errorf("%s %s: it does not say why it is special", r.id, r.attack)
		}
	}
}

// steps lists what the plan prints as steps, and the namespaces that the
// process is born in.
func steps(t *testing.T) []string {
	t.Helper()
	plan, err := house.layer("program", nil).Plan(t.Context(), sandbox.Request{Args: []string{"true"}})
	if err != nil {
		t.Fatal(err)
	}
	defer plan.Close()
	var b strings.Builder
	if err := plan.Print(&b); err != nil {
		t.Fatal(err)
	}
	all := []string{pidNS, mountNS, ipcNS, utsNS}
	for line := range strings.Lines(b.String()) {
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "# ")
		if ok && !strings.HasPrefix(name, "seccomp profile") && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}
