package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// fullYAML has every key that may be used.
const fullYAML = `
layer: native
filesystem:
  read: [/usr/share, ~/src, "${inputs.tree}", "/data/${inputs.set}/in"]
  write: ["$WORKSPACE/out", /srv/out]
  protect: []
network: {allow: []}
env:
  set: {LANG: C, EMPTY: "", PORT: "8080"}
  pass: [EDITOR, TERM]
limits:
  memory: 512M
  cpus: 1.5
  pids: 64
  open_files: 256
  file_size: 1GiB
  output: 65536
  wall_time: 1m30s
  scratch: 64m
syscalls: strict
trace_denials: true
best_effort: true
`

// full is the policy of fullYAML.
var full = Policy{
	Layer: Native,
	Filesystem: Filesystem{
		Read:  []string{"/usr/share", "~/src", "${inputs.tree}", "/data/${inputs.set}/in"},
		Write: []string{"$WORKSPACE/out", "/srv/out"},
	},
	Env: Env{
		Set:  map[string]string{"LANG": "C", "EMPTY": "", "PORT": "8080"},
		Pass: []string{"EDITOR", "TERM"},
	},
	Limits: Limits{
		Memory: 512 * MiB, CPUs: 1.5, PIDs: 64, OpenFiles: 256, FileSize: GiB,
		Output: 65536, WallTime: 90 * time.Second, Scratch: 64 * MiB,
	},
	Syscalls: Strict, TraceDenials: true, BestEffort: true,
}

func TestParse_readsEveryKey(t *testing.T) {
	got, err := Parse("p.yaml", []byte(fullYAML))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full, got); diff != "" {
		t.Error(diff)
	}
}

func TestParse_readsJSONWithTabsAndEscapes(t *testing.T) {
	text := "{\n\t\"filesystem\": {\"read\": [\"\\/usr\\/share\", \"/\\ud83d\\ude00\"]},\n\t\"limits\": {\"memory\": \"1G\", \"cpus\": 2e0}\n}\n"
	got, err := Parse("p.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := Policy{
		Filesystem: Filesystem{Read: []string{"/usr/share", "/😀"}},
		Limits:     Limits{Memory: GiB, CPUs: 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParse_ofBracesGrantsNothing(t *testing.T) {
	for _, text := range []string{"{}", "{}\n", "---\n{}\n", "# nothing\n{}", "\ufeff{}", "{}\n---\n"[:3]} {
		got, err := Parse("", []byte(text))
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
		}
		if diff := cmp.Diff(Policy{}, got); diff != "" {
			t.Errorf("Parse(%q): %s", text, diff)
		}
	}
}

func TestParse_normalisesEmptyParts(t *testing.T) {
	got, err := Parse("", []byte("filesystem: {read: [], write: []}\nnetwork: none\nenv: {set: {}, pass: []}\nlimits: {}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Policy{}, got); diff != "" {
		t.Error(diff)
	}
}

func TestParse_tellsEveryProblemInOrder(t *testing.T) {
	text := "syscalls: stric\nlayer: [1]\nlimits:\n  pids: many\n  memroy: 1G\nfilesystem:\n  read: [src, 7]\n"
	_, err := Parse("p.yaml", []byte(text))
	want := strings.Join([]string{
		`p.yaml:1:11: /syscalls: unknown word "stric"; did you mean "strict"?`,
		`p.yaml:2:8: /layer: expects a text, got a list`,
		`p.yaml:4:9: /limits/pids: expects a whole number, got the text "many"`,
		`p.yaml:5:3: /limits/memroy: unknown key "memroy"; did you mean "memory"?`,
		`p.yaml:7:10: /filesystem/read/0: "src" is not absolute; begin with /, ~/ or $WORKSPACE/`,
		`p.yaml:7:15: /filesystem/read/1: expects a text, got the number "7"; put it in quotes: "7"`,
	}, "\n")
	if err == nil {
		t.Fatal("Parse took it")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
	if got := fault.KindOf(err); got != fault.Invalid {
		t.Errorf("kind = %v, want invalid", got)
	}
}

func TestParse_givesNoPolicyWithAProblem(t *testing.T) {
	got, err := Parse("", []byte("filesystem: {read: [/usr]}\nbogus: 1\n"))
	if err == nil {
		t.Fatal("Parse took it")
	}
	if diff := cmp.Diff(Policy{}, got); diff != "" {
		t.Error(diff)
	}
}

func TestParse_boundsTheNumberOfProblems(t *testing.T) {
	var b strings.Builder
	for range 5000 {
		b.WriteString("- x\n")
	}
	_, err := Parse("", []byte("filesystem:\n  read:\n"+strings.ReplaceAll(b.String(), "- x", "  - 7")))
	var ps fault.Problems
	if !errors.As(err, &ps) || len(ps) != maxProblems+1 {
		t.Fatalf("Parse gave %d problems, want %d", len(ps), maxProblems+1)
	}
	if got, want := ps[maxProblems].Reason, "4901 more problems"; got != want {
		t.Errorf("the last problem = %q, want %q", got, want)
	}
}

func TestParse_countsTheProblemsOfAHugeText(t *testing.T) {
	var b strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&b, "k%d: 1\n", i)
	}
	_, err := Parse("", []byte(b.String()))
	if err == nil || !strings.HasSuffix(err.Error(), "\n49900 more problems") {
		t.Errorf("Parse does not end with the number of the other problems: %.80v", err)
	}
}

func TestParse_hostileNamesCannotForgeMessages(t *testing.T) {
	_, err := Parse("", []byte("\"x\\n/layer: fine\\e[2J"+strings.Repeat("y", 500)+"\": 1\n"))
	if err == nil {
		t.Fatal("Parse took it")
	}
	if s := err.Error(); strings.ContainsAny(s, "\n\x1b") || len(s) > 600 {
		t.Errorf("the message carries the attack: %q", s)
	}
}

func TestParseAt_prefixesPointersAndKnowsNoLines(t *testing.T) {
	_, err := ParseAt("manifest.json", "/nodes/3/config/policy", []byte(`{"layr": "native", "env": {"pass": ["A B"]}}`))
	want := `manifest.json: /nodes/3/config/policy/layr: unknown key "layr"; did you mean "layer"?` + "\n" +
		`manifest.json: /nodes/3/config/policy/env/pass/0: "A B" is not a name of a variable; use letters, digits and _, not beginning with a digit`
	if err == nil || err.Error() != want {
		t.Errorf("ParseAt = %v, want %s", err, want)
	}
	if _, err := ParseAt("m.json", "/policy", []byte("null")); err == nil || err.Error() != "m.json: /policy: expects a mapping of keys, got nothing; give it a value or remove the key" {
		t.Errorf("ParseAt of null = %v", err)
	}
	if _, err := ParseAt("m.json", "/policy", nil); err == nil {
		t.Error("ParseAt took an empty text")
	}
}

func TestUnmarshalYAML_isStrictInsideAnotherDocument(t *testing.T) {
	var config struct {
		Policy Policy
	}
	if err := yaml.Unmarshal([]byte("policy: {filesystem: {read: [/opt]}}"), &config); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Policy{}.With(ReadOnly("/opt")), config.Policy); diff != "" {
		t.Error(diff)
	}
	if err := yaml.Unmarshal([]byte("policy: {filesystem: {reed: [/opt]}}"), &config); err == nil {
		t.Error("an unknown key was taken")
	}
}

func TestParse_ofJSONKnowsLinesAndColumns(t *testing.T) {
	_, err := Parse("p.json", []byte("{\n  \"limits\": {\n    \"é\": 1, \"pids\": [\n      3 ]\n  }\n}"))
	want := `p.json:3:5: /limits/é: unknown key "é"; known here: memory, cpus, pids, open_files, file_size, output, wall_time, scratch` + "\n" +
		`p.json:3:21: /limits/pids: expects a whole number, got a list`
	if err == nil || err.Error() != want {
		t.Errorf("Parse = %v, want\n%s", err, want)
	}
}
