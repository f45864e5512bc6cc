package bundle

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// withInputs is a bundle that takes values of the operator.
const withInputs = `{
  "apiVersion": "bulkhead/v1", "id": "demo", "entrypoints": ["run"],
  "inputs": {
    "tree": {"description": "what to look at"},
    "depth": {"default": 3},
    "fast": {"default": false}
  },
  "policy": {"filesystem": {"read": ["${inputs.tree}", "/usr/share"]}},
  "nodes": [{"id": "run", "type": "executor", "config": {
    "command": ["walk", "--depth=${inputs.depth}", "--fast=${inputs.fast}", "${inputs.tree}/src", "${HOME}"],
    "policy": {"filesystem": {"read": ["${inputs.tree}/src"]}}
  }}]
}`

// graphOf is the graph of a sound manifest.
func graphOf(t testing.TB, manifest string) Graph {
	t.Helper()
	return loadSound(t, folderWith(t, manifest, nil)).Graph
}

// rawValues are values as the operator gives them, in JSON.
func rawValues(pairs ...string) map[string]json.RawMessage {
	values := map[string]json.RawMessage{}
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = json.RawMessage(pairs[i+1])
	}
	return values
}

func TestExpand_putsValuesWhereTheyAreNamed(t *testing.T) {
	g := graphOf(t, withInputs)
	got, err := g.Expand(rawValues("tree", `"/srv/my tree"`, "depth", "7"))
	must(t, err)

	run := got.Nodes[0].Executor
	if diff := cmp.Diff([]string{"walk", "--depth=7", "--fast=false", "/srv/my tree/src", "${HOME}"}, run.Command); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"/srv/my tree/src"}, run.Policy.Filesystem.Read); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"/srv/my tree", "/usr/share"}, got.Policy.Filesystem.Read); diff != "" {
		t.Error(diff)
	}
}

func TestExpand_leavesTheGraphAsItWas(t *testing.T) {
	g := graphOf(t, withInputs)
	before, err := json.Marshal(g)
	must(t, err)
	_, err = g.Expand(rawValues("tree", `"/srv"`))
	must(t, err)
	after, err := json.Marshal(g)
	must(t, err)
	if diff := cmp.Diff(string(before), string(after)); diff != "" {
		t.Error(diff)
	}
}

func TestExpand_doesNotExpandValues(t *testing.T) {
	g := graphOf(t, withInputs)
	got, err := g.Expand(rawValues("tree", `"/srv"`, "depth", `"${inputs.tree}"`))
	must(t, err)
	if got, want := got.Nodes[0].Executor.Command[1], "--depth=${inputs.tree}"; got != want {
		t.Errorf("argument = %q, want the value as it is, %q", got, want)
	}
}

func TestExpand_refusesValuesThatDoNotFit(t *testing.T) {
	for _, row := range []struct {
		name   string
		values map[string]json.RawMessage
		want   string
	}{
		{"missing", nil, `/inputs/tree: input "tree" has no value; give one with --set tree=VALUE or in the file of --inputs`},
		{"unknown", rawValues("tree", `"/srv"`, "dept", "1"), `/inputs/dept: the bundle has no input "dept"; did you mean "depth"?`},
		{"object", rawValues("tree", `{"a": 1}`), `/inputs/tree: stands in a command or a path and must be a string, a number or a boolean, is an object`},
		{"null", rawValues("tree", `null`), `/inputs/tree: stands in a command or a path and must be a string, a number or a boolean, is null`},
		{"not JSON", rawValues("tree", `/srv`), `/inputs/tree: is not JSON: broken JSON: invalid character '/' looking for beginning of value; put a text in quotes`},
		{"NUL", rawValues("tree", `"/srv\u0000x"`), `/inputs/tree: contains a NUL byte`},
		{"relative path", rawValues("tree", `"srv"`), strings.Join([]string{
			`/policy/filesystem/read/0: "srv" is not absolute; begin with /, ~/ or $WORKSPACE/`,
			`/nodes/0/config/policy/filesystem/read/0: "srv/src" is not absolute; begin with /, ~/ or $WORKSPACE/`,
		}, "\n")},
		{"path upwards", rawValues("tree", `"/srv/../etc"`), strings.Join([]string{
			`/policy/filesystem/read/0: "/srv/../etc" contains ".."; write the path without it`,
			`/nodes/0/config/policy/filesystem/read/0: "/srv/../etc/src" contains ".."; write the path without it`,
		}, "\n")},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := graphOf(t, withInputs).Expand(row.values)
			if err == nil {
				t.Fatal("Expand succeeded")
			}
			if diff := cmp.Diff(row.want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestExpand_takesNoValuesWithoutInputs(t *testing.T) {
	g := loadSound(t, folderWith(t, sound, soundFiles)).Graph
	_, err := g.Expand(rawValues("tree", `"/srv"`))
	if err == nil || err.Error() != `/inputs/tree: the bundle has no input "tree"; the bundle declares no inputs` {
		t.Errorf("error = %v", err)
	}
	if _, err := g.Expand(nil); err != nil {
		t.Errorf("Expand without values: %v", err)
	}
}

func TestLoad_refusesInputsInProgramText(t *testing.T) {
	const why = `the value of an input would become program text here; pass it as an argument: ["/bin/sh", "-c", "worker \"$1\"", "sh", "${inputs.NAME}"]`
	for _, row := range []struct {
		command string
		refused bool
	}{
		{`"ls ${inputs.tree}"`, true},
		{`["sh", "-c", "ls ${inputs.tree}"]`, true},
		{`["/usr/bin/bash", "-euo", "pipefail", "-lc", "ls ${inputs.tree}"]`, true},
		{`["bash", "-lc", "ls ${inputs.tree}"]`, true},
		{`["python3.12", "-I", "-c", "print('${inputs.tree}')"]`, true},
		{`["env", "A=1", "python3", "-c", "print('${inputs.tree}')"]`, true},
		{`["timeout", "3", "perl", "-ne", "s/${inputs.tree}//"]`, true},
		{`["node", "--eval=x", "-e", "${inputs.tree}"]`, true},
		{`["sh", "-c", "ls \"$1\"", "sh", "${inputs.tree}"]`, false},
		{`["python3", "walk.py", "-c", "${inputs.tree}"]`, false},
		{`["cc", "-c", "${inputs.tree}"]`, false},
		{`["${inputs.tree}"]`, false},
	} {
		t.Run(row.command, func(t *testing.T) {
			manifest := `{"apiVersion": "bulkhead/v1", "id": "demo", "entrypoints": ["run"], "inputs": {"tree": {}},
				"nodes": [{"id": "run", "type": "executor", "config": {"command": ` + row.command + `}}]}`
			got := problemsOf(t, manifest, nil)
			if refused := len(got) == 1 && strings.HasSuffix(got[0], why); refused != row.refused || !refused && len(got) > 0 {
				t.Errorf("problems = %q, want refused = %v", got, row.refused)
			}
		})
	}
}
