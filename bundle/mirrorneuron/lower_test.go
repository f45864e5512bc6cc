package mirrorneuron

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

var update = flag.Bool("update", false, "write the golden files anew")

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// golden compares got with a file under testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		must(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs; if that is right, run the test with -update\n%s", path, diff)
	}
}

// lines are problems as text, without the file's name.
func lines(problems fault.Problems) []string {
	var all []string
	for _, p := range problems {
		all = append(all, strings.TrimPrefix(p.String(), "m.json:"))
	}
	return all
}

func TestLoad_lowersAClassicBundle(t *testing.T) {
	b, err := bundle.Load("testdata/classic", Dialect)
	must(t, err)
	defer b.Close()

	graph, err := json.MarshalIndent(b.Graph, "", "  ")
	must(t, err)
	golden(t, "classic.graph.json", string(graph)+"\n")

	var warnings strings.Builder
	for _, w := range b.Warnings {
		warnings.WriteString(strings.TrimPrefix(w.String(), "testdata/classic/") + "\n")
	}
	golden(t, "classic.warnings.txt", warnings.String())
}

// sound is a classic manifest with nothing wrong.
const sound = `{
  "manifest_version": "1.0",
  "graph_id": "demo",
  "nodes": [
    {"node_id": "run", "agent_type": "executor", "role": "root", "config": {"command": "true"}},
    {"node_id": "pass", "agent_type": "relay"},
    {"node_id": "sink", "agent_type": "aggregator", "type": "reduce", "config": {"complete_on_message": true}}
  ],
  "edges": [
    {"edge_id": "e1", "from_node": "run", "to_node": "pass", "message_type": "done"},
    {"from_node": "pass", "to_node": "sink", "message_type": "*"}
  ]
}
`

// lowered is the graph of a sound manifest with texts replaced.
func lowered(t *testing.T, replace ...string) (bundle.Graph, []string) {
	t.Helper()
	g, warnings, problems := Lower("m.json", []byte(strings.NewReplacer(replace...).Replace(sound)))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return g, lines(warnings)
}

func TestLower_takesRootsForEntrypoints(t *testing.T) {
	for _, row := range []struct{ name, old, new string }{
		{"role root", ``, ``},
		{"role root_coordinator", `"root"`, `"root_coordinator"`},
		{"named", `"graph_id": "demo",`, `"graph_id": "demo", "entrypoints": "run",`},
		{"listed", `"graph_id": "demo",`, `"graph_id": "demo", "entrypoints": ["run"],`},
		{"empty list", `"graph_id": "demo",`, `"graph_id": "demo", "entrypoints": [],`},
		{"null", `"graph_id": "demo",`, `"graph_id": "demo", "entrypoints": null,`},
	} {
		t.Run(row.name, func(t *testing.T) {
			g, _ := lowered(t, row.old, row.new)
			if diff := cmp.Diff([]event.NodeID{"run"}, g.Entrypoints); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLower_readsInitialInputs(t *testing.T) {
	for _, row := range []struct{ name, value, want string }{
		{"one", `{"run": {"a": 1}}`, `{"run":[{"a":1}]}`},
		{"several", `{"run": [{"a": 1}, 2]}`, `{"run":[{"a":1},2]}`},
		{"for all", `[{"a": 1}]`, `{"run":[{"a":1}]}`},
		{"for all, by name", `{"__entrypoints__": [{"a": 1}]}`, `{"run":[{"a":1}]}`},
		{"own before all", `{"__entrypoints__": 1, "run": 2}`, `{"run":[2]}`},
		{"empty", `{"run": []}`, `{}`},
		{"of another", `{"pass": 1}`, `{}`},
		{"body", `{"run": {"body": {"a": 1}, "type": "x"}}`, `{"run":[{"a":1}]}`},
		{"payload", `{"run": {"payload": 7}}`, `{"run":[7]}`},
		{"message fields", `{"run": {"type": "x", "a": 1, "headers": {}}}`, `{"run":[{"a":1}]}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			g, _ := lowered(t, `"graph_id": "demo",`, `"graph_id": "demo", "initial_inputs": `+row.value+`,`)
			got, err := json.Marshal(g.InitialInputs)
			must(t, err)
			if string(got) != row.want {
				t.Errorf("inputs = %s, want %s", got, row.want)
			}
		})
	}
}

func TestLower_readsAggregators(t *testing.T) {
	for _, row := range []struct {
		config string
		want   bundle.AggregatorConfig
	}{
		{`{}`, bundle.AggregatorConfig{CompleteRun: true}},
		{`{"complete_after": 3}`, bundle.AggregatorConfig{CompleteAfter: 3, CompleteRun: true}},
		{`{"complete_on_message": true}`, bundle.AggregatorConfig{CompleteAfter: 1, CompleteRun: true}},
		{`{"complete_on_message": false, "output_message_type": "sum"}`, bundle.AggregatorConfig{OutputMessageType: "sum"}},
		{`{"complete_job": true, "output_message_type": "sum"}`, bundle.AggregatorConfig{OutputMessageType: "sum", CompleteRun: true}},
		{`{"complete_job": false}`, bundle.AggregatorConfig{}},
		{`{"complete_run": true, "output_message_type": "sum"}`, bundle.AggregatorConfig{OutputMessageType: "sum", CompleteRun: true}},
		{`{"terminal_sink": true, "complete_run": false, "output_message_type": "sum"}`, bundle.AggregatorConfig{OutputMessageType: "sum", CompleteRun: true}},
	} {
		t.Run(row.config, func(t *testing.T) {
			g, _ := lowered(t, `{"complete_on_message": true}`, row.config)
			if diff := cmp.Diff(&row.want, g.Nodes[2].Aggregator); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// executorOf is the lowered executor of a config.
func executorOf(t *testing.T, config string) (*bundle.ExecutorConfig, []string) {
	t.Helper()
	g, warnings := lowered(t, `{"command": "true"}`, config)
	return g.Nodes[0].Executor, warnings
}

func TestLower_readsCommands(t *testing.T) {
	for _, row := range []struct {
		name, config string
		want         []string
	}{
		{"shell text", `{"command": "echo $A | wc"}`, []string{"/bin/sh", "-c", "echo $A | wc"}},
		{"arguments", `{"command": ["python3.11", "w.py", "{input_file}"]}`, []string{"python3.11", "w.py", "{input_file}"}},
		{"double braces of OpenShell", `{"command": ["w", "{{input_file}}", "{{other}}"]}`, []string{"w", "{input_file}", "{{other}}"}},
		{"double braces elsewhere", `{"runner_module": "MirrorNeuron.Runner.HostLocal", "command": ["w", "{{input_file}}"]}`, []string{"w", "{{input_file}}"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			e, _ := executorOf(t, row.config)
			if diff := cmp.Diff(row.want, e.Command); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLower_mapsTheWorkFolder(t *testing.T) {
	for _, row := range []struct{ config, want string }{
		{`{"command": "x"}`, ""},
		{`{"command": "x", "workdir": "/sandbox/job"}`, ""},
		{`{"command": "x", "workdir": "/sandbox/job/"}`, ""},
		{`{"command": "x", "workdir": "/sandbox/job/a/b"}`, "a/b"},
		{`{"command": "x", "workdir": "/mn/job/a"}`, "a"},
		{`{"command": "x", "workdir": "a"}`, "a"},
		{`{"command": "x", "workdir": "/w/x/a", "sandbox_upload_path": "/w/x"}`, "a"},
		{`{"command": "x", "workdir": "/sandbox/job2"}`, "/sandbox/job2"}, // refused by the check of the graph
		{`{"command": "x", "workdir": "/sandbox/job/../../etc"}`, "/etc"},
	} {
		t.Run(row.config, func(t *testing.T) {
			if e, _ := executorOf(t, row.config); e.Workdir != row.want {
				t.Errorf("Workdir = %q, want %q", e.Workdir, row.want)
			}
		})
	}
}

func TestLower_saysThatEveryRunnerIsNative(t *testing.T) {
	for module, name := range runners {
		e, warnings := executorOf(t, `{"command": "x", "runner_module": "`+module+`"}`)
		if e.Runner != bundle.RunnerNative {
			t.Errorf("%s: Runner = %q, want native", module, e.Runner)
		}
		want := "5:92: /nodes/0/config/runner_module: runner " + name + " becomes the native sandbox: no host files, no network, no host environment beyond what is granted"
		if len(warnings) != 1 || strings.SplitN(warnings[0], ": ", 2)[1] != strings.SplitN(want, ": ", 2)[1] {
			t.Errorf("%s: warnings = %q, want %q", module, warnings, want)
		}
	}
	if e, warnings := executorOf(t, `{"command": "x"}`); e.Runner != bundle.RunnerNative || len(warnings) != 1 {
		t.Errorf("no runner: Runner = %q with warnings %q, want native and one warning", e.Runner, warnings)
	}
}

func TestLower_namesEachFieldWithoutEffectOnce(t *testing.T) {
	g, warnings := lowered(t,
		`"graph_id": "demo",`, `"graph_id": "demo", "daemon": true, "metadata": {"a": 1}, "reload": {}, "polices": 1, "policies": {"recovery_mode": "local_restart"},`,
		`{"command": "true"}`, `{"command": "true", "beacon_enabled": true, "gpu": false, "comand": 1, "pass_env": ["A"], "environment": {"A": "x", "B": 2}}`,
		`"agent_type": "relay"`, `"agent_type": "relay", "tool_bindings": ["x"]`,
		`"type": "reduce"`, `"type": "reduce", "tool_bindings": ["y"]`)
	want := []string{
		"daemon has no effect: the job ends when it is quiet, and a failed worker is retried only as max_attempts says",
		"the default runner (OpenShell) becomes the native sandbox",
		`"A" in environment has no effect beside pass_env`,
		"beacon_enabled has no effect: a worker is ended by timeout_seconds, not by missing signs of life",
		`"comand" is not a known key and has no effect`,
		"tool_bindings has no effect: tools are not bound to nodes (in 2 places, this is the first)",
		"policies.recovery_mode has no effect",
		"metadata has no effect: it is not given to workers",
		`"polices" is not a known key and has no effect`,
	}
	var got []string
	for _, w := range warnings {
		parts := strings.SplitN(w, ": ", 3)
		got = append(got, parts[2])
	}
	slicesSorted := cmp.Transformer("sorted", func(in []string) map[string]int {
		out := map[string]int{}
		for _, s := range in {
			out[s]++
		}
		return out
	})
	if diff := cmp.Diff(want, got, slicesSorted); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"MN_AGENT_TEMPLATE": "generic", "B": "2"}, g.Nodes[0].Executor.Env); diff != "" {
		t.Error(diff)
	}
}

func TestLower_keepsDefaultsOfRetries(t *testing.T) {
	e, _ := executorOf(t, `{"command": "x", "max_attempts": 3, "timeout_seconds": 1.5, "output_message_type": null}`)
	want := bundle.Retry{MaxAttempts: 3, Backoff: 500e6, MaxBackoff: 30e9, On: []string{"exit", "signal", "timeout"}}
	if diff := cmp.Diff(want, e.Retry); diff != "" {
		t.Error(diff)
	}
	if e.Timeout != 1500e6 || !e.NoDefaultOutput || e.Wrapper != "mirrorneuron" {
		t.Errorf("Timeout, NoDefaultOutput, Wrapper = %v, %v, %q", e.Timeout, e.NoDefaultOutput, e.Wrapper)
	}
}
