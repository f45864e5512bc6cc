package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// steps is how many nodes the bundle has that is killed.
const steps = 8

// chain writes a bundle of steps in a row, each of which notes that it ran in
// a file of its own outside the state folder.
func chain(t *testing.T, dir, notes string) {
	t.Helper()
	var nodes, edges []string
	for i := range steps {
		nodes = append(nodes, fmt.Sprintf(`{"id":"s%d","type":"executor","config":{"command":["/bin/sh","-c","echo ran >> %s/s%d; sleep 0.03"],
			"policy":{"filesystem":{"write":["%s"]}}}}`, i, notes, i, notes))
		if i > 0 {
			edges = append(edges, fmt.Sprintf(`{"from":"s%d","to":"s%d","type":"executor_result"}`, i-1, i))
		}
	}
	text := fmt.Sprintf(`{"apiVersion":"bulkhead/v1","id":"chain","name":"chain","entrypoints":["s0"],"nodes":[%s],"edges":[%s]}`,
		strings.Join(nodes, ","), strings.Join(edges, ","))
	if err := os.MkdirAll(filepath.Join(dir, "payloads"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "manifest.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestKill_runsNoFinishedStepAgain kills the program with SIGKILL at random
// moments until the job has ended all the same.
func TestKill_runsNoFinishedStepAgain(t *testing.T) {
	needSandbox(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))

	dir := t.TempDir()
	bundle, notes, state := filepath.Join(dir, "bundle"), filepath.Join(dir, "notes"), filepath.Join(dir, "state")
	if err := os.Mkdir(notes, 0o700); err != nil {
		t.Fatal(err)
	}
	chain(t, bundle, notes)

	// The program dies at a random moment after each step has begun.
	args := []string{"blueprint", "run", "--folder", bundle, "--write", notes, "--state", state}
	deaths := 0
	for !ended[status(t, state)] {
		if runAndKill(t, args, notes, time.Duration(dice.IntN(80))*time.Millisecond) {
			break
		}
		deaths++
		args = []string{"job", "resume", onlyJob(t, state).ID, "--state", state}
	}
	t.Logf("died %d times", deaths)

	lost, succeeded := history(t, state, onlyJob(t, state).ID)
	for i := range steps {
		node := fmt.Sprintf("s%d", i)
		raw, err := os.ReadFile(filepath.Join(notes, node))
		if err != nil {
			t.Fatal(err)
		}
		ran := bytes.Count(raw, []byte("\n"))
		if succeeded[node] != 1 || ran < 1 || ran > 1+lost[node] {
			t.Errorf("%s ran %d times; it succeeded %d times and was lost %d times", node, ran, succeeded[node], lost[node])
		}
	}
}

// runAndKill runs the program until it begins a step that had not begun
// before, and kills it a while later. It reports whether the program ended by
// itself.
func runAndKill(t *testing.T, args []string, notes string, later time.Duration) bool {
	t.Helper()
	cmd := exec.Command("bulkhead", args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	before := begun(t, notes)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()

	for {
		select {
		case err := <-done:
			if err != nil {
				t.Fatalf("bulkhead %v: %v\n%s", args, err, out.String())
			}
			return true
		case <-time.After(time.Millisecond):
		}
		if begun(t, notes) > before {
			time.Sleep(later)
			_ = cmd.Process.Kill()
			return <-done == nil
		}
	}
}

// begun is how many steps have left a note.
func begun(t *testing.T, notes string) int {
	t.Helper()
	entries, err := os.ReadDir(notes)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// listed is a job in a listing.
type listed struct {
	ID     string `json:"job_id"`
	Status string
}

// onlyJob is the job in a state folder; zero when there is none.
func onlyJob(t *testing.T, state string) listed {
	t.Helper()
	out, err := exec.Command("bulkhead", "job", "list", "--json", "--state", state).Output()
	if err != nil {
		return listed{} // there is no state folder yet
	}
	var list struct{ Jobs []listed }
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Jobs) == 0 {
		return listed{}
	}
	return list.Jobs[0]
}

// status is where that job stands.
func status(t *testing.T, state string) string { return onlyJob(t, state).Status }

// history counts what became of the attempts of each node.
func history(t *testing.T, state, id string) (lost, succeeded map[string]int) {
	t.Helper()
	out, err := exec.Command("bulkhead", "job", "events", id, "--json", "--state", state).Output()
	if err != nil {
		t.Fatal(err)
	}
	lost, succeeded = make(map[string]int), make(map[string]int)
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, maxInput)
	for lines.Scan() {
		var ev struct{ Kind, Node string }
		if err := json.Unmarshal(lines.Bytes(), &ev); err != nil {
			t.Fatal(err)
		}
		switch ev.Kind {
		case "attempt.lost":
			lost[ev.Node]++
		case "attempt.succeeded":
			succeeded[ev.Node]++
		}
	}
	return lost, succeeded
}
