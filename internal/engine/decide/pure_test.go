package decide

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// allowed is what decisions may import: nothing that knows the time, chance,
// files, the network or goroutines.
var allowed = []string{
	"bytes", "crypto/sha256", "encoding/binary", "encoding/hex", "encoding/json", "fmt",
	"slices", "strconv", "strings", "time",
	"github.com/bulkhead-dev/bulkhead/bundle", "github.com/bulkhead-dev/bulkhead/event", "github.com/bulkhead-dev/bulkhead/internal/fault",
}

// clocks are the functions of package time that read or wait for the clock.
var clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

func TestDecide_isPureByItsImports(t *testing.T) {
	names, err := filepath.Glob("*.go")
	if err != nil || !slices.Contains(names, "decide.go") {
		t.Fatal("the test finds no files:", err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range file.Imports {
			if path, _ := strconv.Unquote(imp.Path.Value); !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", name, path)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if _, ok := n.(*ast.GoStmt); ok {
				t.Errorf("%s starts a goroutine", name)
			}
			if sel, ok := n.(*ast.SelectorExpr); ok && fmt.Sprint(sel.X) == "time" && slices.Contains(clocks, sel.Sel.Name) {
				t.Errorf("%s reads the clock with time.%s", name, sel.Sel.Name)
			}
			return true
		})
	}
}

// script is a random history of one job, kept so that it can be told again.
type script struct {
	rng    *rand.Rand
	g      *bundle.Graph
	inputs []Input
	states []string // what each input led to
	ended  []Done   // attempts that were reported as ended, for duplicates
}

func TestDecide_aHundredFoldsAreByteIdentical(t *testing.T) {
	for seed := range uint64(40) {
		s := newScript(seed)
		s.play(t)
		for range 100 {
			s.replay(t, seed)
		}
	}
}

func TestDecide_survivesDuplicatesAndLateReports(t *testing.T) {
	for seed := range uint64(400) {
		s := newScript(seed)
		s.play(t)
		if t.Failed() {
			t.Fatalf("seed %d breaks it", seed)
		}
	}
}

func newScript(seed uint64) *script {
	rng := rand.New(rand.NewPCG(seed, 1))
	g := graph([]bundle.Node{
		exec("a"),
		{ID: "r", Kind: bundle.Router},
		exec("w", retry(bundle.Retry{MaxAttempts: 1 + rng.IntN(3), Jitter: 1, On: []string{"any"}})),
		{ID: "g", Kind: bundle.Aggregator, Aggregator: &bundle.AggregatorConfig{CompleteAfter: rng.IntN(4)}},
		exec("z"),
	}, "a->r:m", "r->w:*", "w->g:*", "w->z:* failed", "g->z:*")
	g.Concurrency = 1 + rng.IntN(4)
	g.Nodes[2].Concurrency = rng.IntN(3)
	return &script{rng: rng, g: g}
}

// play makes up inputs until the job has ended, and checks each step.
func (s *script) play(t *testing.T) {
	t.Helper()
	var state *State
	now := epoch0
	finished := map[event.MessageID]bool{}
	for step := 0; state == nil || !state.Status.Terminal(); step++ {
		if step > 2000 {
			t.Fatal("the job has not ended after 2000 inputs")
		}
		now = now.Add(time.Duration(s.rng.IntN(3000)) * time.Millisecond)
		in := s.input(state, step)
		in.Now, in.Free = now, s.rng.IntN(4)
		told := fmt.Sprintf("%+v", in)
		r, err := Decide(s.g, state, in)
		if fmt.Sprintf("%+v", in) != told {
			t.Errorf("Decide changed its input %s to %+v", told, in)
		}
		if fault.KindOf(err) == fault.Invalid {
			continue // a command that the status does not allow
		}
		if err != nil {
			t.Fatalf("step %d, %T: %v", step, in.Do, err)
		}
		s.inputs = append(s.inputs, in)
		s.check(t, state, r, finished)
		state = s.reload(t, r.State)
	}
}

// input makes up what happens next. Late in a script only what makes progress
// does.
func (s *script) input(state *State, step int) Input {
	if state == nil {
		return Input{Do: Submit{Job: "j"}}
	}
	dice := s.rng.IntN(20)
	switch {
	case dice == 0 && step < 500:
		return Input{Do: Resume{}, Adopt: true}
	case dice == 1 && step < 500:
		return Input{Do: Pause{Kill: s.rng.IntN(2) == 0}}
	case dice == 2 && s.rng.IntN(20) == 0:
		return Input{Do: Cancel{}}
	case dice == 3 && len(s.ended) > 0:
		return Input{Do: Complete{[]Done{s.ended[s.rng.IntN(len(s.ended))]}}}
	case dice < 8 || len(state.Running()) == 0:
		if state.Status == event.JobStatePaused {
			return Input{Do: Resume{}}
		}
		return Input{Do: Tick{}}
	}
	live := state.Running()
	l := live[s.rng.IntN(len(live))]
	d := Done{Node: l.Node.ID, Message: l.Item.Message.ID, Epoch: l.Item.Epoch, Random: s.rng.Float64(), Outcome: s.outcome(l.Node.ID)}
	s.ended = append(s.ended, d)
	return Input{Do: Complete{[]Done{d, d}}}
}

// outcome makes up how an attempt ends.
func (s *script) outcome(node event.NodeID) event.Outcome {
	switch s.rng.IntN(6) {
	case 0:
		return event.Outcome{Status: event.Released, Reason: "drained"}
	case 1:
		if node == "w" {
			return failure("exit")
		}
	}
	o := emits("m", "m", "m")
	if node != "a" {
		o.Emit = nil
	}
	o.Status, o.Output = event.Succeeded, body(fmt.Sprint(s.rng.IntN(9)))
	return o
}

// check verifies one step: numbers without gaps, the input state untouched, no
// success of the same message twice.
func (s *script) check(t *testing.T, before *State, r Result, finished map[event.MessageID]bool) {
	t.Helper()
	var version event.Seq
	if before != nil {
		version = before.Version
		if raw := encode(t, before); raw != s.states[len(s.states)-1] {
			t.Error("Decide changed the state that it was given")
		}
	}
	for _, ev := range r.Events {
		version++
		if ev.Seq != version || ev.Job != "j" || ev.Actor == "" || ev.Epoch == 0 || ev.Cause >= ev.Seq {
			t.Errorf("event %+v after %d", ev, version-1)
		}
		if ev.Kind == event.AttemptSucceeded {
			if finished[ev.Message] {
				t.Errorf("message %s succeeded twice", ev.Message)
			}
			finished[ev.Message] = true
		}
		if ev.Kind == event.AttemptStarted && finished[ev.Message] {
			t.Errorf("message %s was started after its success", ev.Message)
		}
	}
	if r.State.Version != version {
		t.Errorf("Version = %d, want %d", r.State.Version, version)
	}
}

// reload keeps the bytes of a state and reads them back, as a store does.
func (s *script) reload(t *testing.T, state *State) *State {
	t.Helper()
	raw := encode(t, state)
	s.states = append(s.states, raw)
	out := new(State)
	if err := json.Unmarshal([]byte(raw), out); err != nil {
		t.Fatal(err)
	}
	if again := encode(t, out); again != raw {
		t.Errorf("a reload changes the state:\n%s\n%s", raw, again)
	}
	return out
}

// replay tells the same story without reloads: the bytes must be the same.
func (s *script) replay(t *testing.T, seed uint64) {
	t.Helper()
	var state *State
	for i, in := range s.inputs {
		r, err := Decide(s.g, state, in)
		if err != nil {
			t.Fatal(err)
		}
		state = r.State
		if got := encode(t, state); got != s.states[i] {
			t.Fatalf("seed %d, input %d: the fold differs:\n%s\n%s", seed, i, s.states[i], got)
		}
	}
}

// encode is the stored form of a state.
func encode(t *testing.T, s *State) string {
	t.Helper()
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
