//go:build linux

package examples_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
)

const python = "/usr/bin/python3"

// tree is a small source tree with one of everything that the audit looks for.
// The key and the token are made up.
var tree = map[string]string{
	"ok.go":        "// Copyright somebody. Licensed freely.\npackage ok\n\nfunc Short() {\n}\n",
	"long.go":      "// Copyright somebody.\npackage ok\n\nfunc Long() {\n" + strings.Repeat("\tstep()\n", 150) + "}\n",
	"bare.py":      "def long():\n" + strings.Repeat("    step()\n", 120) + "\n\ndef short():\n    return 1\n",
	"key.txt":      "one\n-----BEGIN " + "PRIVATE KEY-----\n",
	"sub/token.js": "// SPDX-License-Identifier: MIT\nconst t = 'ghp_" + strings.Repeat("a", 36) + "'\n",
	".git/HEAD.md": "not audited\n",
	"picture.png":  "not a source file",
}

// step runs one payload as a worker would be run and returns its answer.
func step(t *testing.T, payload string, input any, args ...string) map[string]any {
	t.Helper()
	payloads, err := filepath.Abs("repo-audit/payloads")
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	body, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(work, "input.json"), body, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, append([]string{"-B", filepath.Join(payloads, payload)}, args...)...)
	cmd.Dir = work
	cmd.Env = []string{"MN_INPUT_FILE=" + filepath.Join(work, "input.json"), "LANG=C.UTF-8"}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", payload, err, &stderr)
	}
	var answer map[string]any
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("%s: stdout is not one JSON object: %v\n%s", payload, err, out)
	}
	return answer
}

// plant writes the tree to disk.
func plant(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range tree {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func needPython(t *testing.T) {
	t.Helper()
	_, err := os.Stat(python)
	kerneltest.Need(t, "python3", err == nil, fmt.Sprint(err))
}

func TestRepoAudit_findsWhatWasPlanted(t *testing.T) {
	needPython(t)
	dir := plant(t)

	var bodies []any
	for _, m := range step(t, "split.py", nil, dir)["emit_messages"].([]any) {
		bodies = append(bodies, step(t, "audit.py", m.(map[string]any)["body"], dir)["complete_step"])
	}
	if len(bodies) != 8 {
		t.Fatalf("%d shards, want 8", len(bodies))
	}
	bodies = append(bodies, map[string]any{"claims": map[string]any{"read ~/.ssh": "succeeded"}})
	report := step(t, "merge.py", map[string]any{"messages": bodies, "count": len(bodies)}, dir)["complete_run"].(map[string]any)

	got := map[string]any{}
	for _, key := range []string{"files", "lines", "shards", "unreadable", "left_out"} {
		got[key] = report[key]
	}
	for _, kind := range []string{"secrets", "long_functions", "unlicensed"} {
		for _, find := range report[kind].(map[string]any)["first"].([]any) {
			f := find.(map[string]any)
			got[fmt.Sprint(kind, ": ", f["path"], " ", f["line"], " ", f["kind"], f["lines"])] = true
		}
	}
	want := map[string]any{
		"files": 5.0, "lines": 5.0 + 155 + 125 + 2 + 2, "shards": 8.0, "unreadable": 0.0, "left_out": 0.0,
		"secrets: key.txt 2 private key<nil>":      true,
		"secrets: sub/token.js 2 forge token<nil>": true,
		"long_functions: long.go 4 <nil> 152":      true,
		"long_functions: bare.py 1 <nil> 121":      true,
		"unlicensed: bare.py <nil> <nil> <nil>":    true,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("report (-want +got):\n%s", d)
	}
	if report["hostile_step_claims"] == nil {
		t.Error("the hostile step's claims are lost")
	}
}

func TestRepoAudit_saysTheSameTwice(t *testing.T) {
	needPython(t)
	dir := plant(t)
	if d := cmp.Diff(step(t, "split.py", nil, dir), step(t, "split.py", nil, dir)); d != "" {
		t.Errorf("two splits of one tree differ:\n%s", d)
	}
}

func TestRepoAudit_failsOnATreeWithoutSource(t *testing.T) {
	needPython(t)
	if answer := step(t, "split.py", nil, t.TempDir()); answer["fail"] == nil {
		t.Errorf("answer = %v, want fail", answer)
	}
}
