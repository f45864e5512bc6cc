package bundle

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// small is a graph with nothing wrong, built in Go.
func small() Graph {
	return Graph{
		ID: "g", Name: "g", Dialect: Native, Concurrency: 1,
		Nodes:       []Node{{ID: "a", Kind: Executor, Executor: &ExecutorConfig{Runner: RunnerNative, Command: []string{"true"}}}},
		Entrypoints: []event.NodeID{"a"},
	}
}

func TestValidate_takesASoundGraph(t *testing.T) {
	if problems := small().Validate(); len(problems) > 0 {
		t.Error(problems)
	}
}

func TestValidate_findsWhatNoManifestCanSay(t *testing.T) {
	for _, row := range []struct {
		name  string
		spoil func(g *Graph)
		want  string
	}{
		{"zero graph", func(g *Graph) { *g = Graph{} }, strings.Join([]string{
			`/id: the bundle has no id; use 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter, a digit or _`,
			`/concurrency: must be from 1 to 1000, is 0`,
			`/nodes: the bundle has no nodes; add at least one executor`,
			`/entrypoints: the bundle has no entrypoint; name the nodes that start the job`,
		}, "\n")},
		{"no config", func(g *Graph) { g.Nodes[0].Executor = nil }, `/nodes/0/config: a node of type executor has no config of it`},
		{"two configs", func(g *Graph) { g.Nodes[0].Router = &RouterConfig{} }, `/nodes/0/config: a node of type executor has the config of type router`},
		{"negative timeout", func(g *Graph) { g.Nodes[0].Executor.Timeout = -time.Second }, `/nodes/0/config/timeout: must be from 0s to 87600h0m0s, is -1s; leave it out for none`},
		{"endless timeout", func(g *Graph) { g.Nodes[0].Executor.Timeout = 1<<63 - 1 }, `/nodes/0/config/timeout: must be from 0s to 87600h0m0s, is 2562047h47m16.854775807s; leave it out for none`},
		{"negative attempts", func(g *Graph) { g.Nodes[0].Executor.Retry.MaxAttempts = -1 }, `/nodes/0/config/retry/max_attempts: must be from 1 to 100, is -1`},
		{"jitter", func(g *Graph) { g.Nodes[0].Executor.Retry.Jitter = -1 }, `/nodes/0/config/retry/jitter: must be from 0 to 1, is -1`},
		{"slots", func(g *Graph) { g.Nodes[0].Executor.Slots = -1 }, `/nodes/0/config/slots: must be from 1 to 1000, is -1`},
		{"concurrency of a node", func(g *Graph) { g.Nodes[0].Concurrency = -1 }, `/nodes/0/concurrency: must be from 1 to 1000, is -1`},
		{"batch", func(g *Graph) {
			g.Nodes[0] = Node{ID: "a", Kind: Aggregator, Aggregator: &AggregatorConfig{CompleteAfter: -1}}
		}, `/nodes/0/config/complete_after: must not be negative, is -1`},
		{"policy of the graph", func(g *Graph) { g.Policy.Filesystem.Read = []string{"etc"} }, `/policy/filesystem/read/0: "etc" is not absolute; begin with /, ~/ or $WORKSPACE/`},
		{"policy of a node", func(g *Graph) { g.Nodes[0].Executor.Policy.Layer = "glass" }, `/nodes/0/config/policy/layer: unknown word "glass"; use one of: host, native`},
		{"variable", func(g *Graph) { g.Nodes[0].Executor.Env = map[string]string{"A": "\x00"} }, `/nodes/0/config/env/A: the value contains a NUL byte`},
		{"edge without id", func(g *Graph) { g.Edges = []Edge{{From: "a", To: "a", Type: "*"}} }, `/edges/0/id: the edge has no id; use 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter, a digit or _`},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := small()
			row.spoil(&g)
			if diff := cmp.Diff(row.want, g.Validate().Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestValidate_keepsNoMoreProblemsThanAPersonReads(t *testing.T) {
	g := small()
	for range 10_000 {
		g.Edges = append(g.Edges, Edge{From: "nobody", To: "nowhere"})
	}
	if got := len(g.Validate()); got != maxFindings {
		t.Errorf("%d problems, want %d", got, maxFindings)
	}
}

func TestValidate_takesLoops(t *testing.T) {
	g := small()
	g.Edges = []Edge{{ID: "tick", From: "a", To: "a", Type: "tick"}}
	if problems := g.Validate(); len(problems) > 0 {
		t.Error(problems)
	}
}

func TestLoad_warnsOfWhatHasNoEffect(t *testing.T) {
	dir := folderWith(t, `{"apiVersion": "bulkhead/v1", "id": "demo", "entrypoints": ["run"], "inputs": {"spare": {"default": 1}},
"nodes": [{"id": "run", "type": "executor", "config": {"command": ["true"], "image": "alpine:3.22", "retry": {"on": ["exit"]}}}]}`, nil)
	var got []string
	for _, w := range loadSound(t, dir).Warnings {
		got = append(got, strings.TrimPrefix(w.String(), dir+"/"))
	}
	want := []string{
		`manifest.json:2:86: /nodes/0/config/image: image has no effect with runner native`,
		`manifest.json:2:110: /nodes/0/config/retry: retry has no effect without max_attempts of at least 2`,
		`manifest.json:1:89: /inputs/spare: nothing uses the input "spare"; inputs are used as ${inputs.spare} in a command or in policy.filesystem.read`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPolicyOf_isTheNodesOwnOrTheGraphs(t *testing.T) {
	const manifest = `{"apiVersion": "bulkhead/v1", "id": "demo", "entrypoints": ["bare", "none", "own", "pass"],
		"policy": {"filesystem": {"read": ["/srv"]}},
		"nodes": [
			{"id": "bare", "type": "executor", "config": {"command": ["true"]}},
			{"id": "none", "type": "executor", "config": {"command": ["true"], "policy": {}}},
			{"id": "own", "type": "executor", "config": {"command": ["true"], "policy": {"filesystem": {"read": ["/opt"]}}}},
			{"id": "pass", "type": "router"}
		]}`
	g := graphOf(t, manifest)
	for i, want := range [][]string{{"/srv"}, nil, {"/opt"}, {"/srv"}} {
		if diff := cmp.Diff(want, g.PolicyOf(&g.Nodes[i]).Filesystem.Read); diff != "" {
			t.Errorf("node %s: %s", g.Nodes[i].ID, diff)
		}
	}
	if got := g.PolicyOf(&g.Nodes[1]).Layer; got != policy.Native {
		t.Errorf("layer of the empty policy = %q, want native", got)
	}
}

func TestTargetPath_isCleanAndNeverEmpty(t *testing.T) {
	for _, row := range []struct {
		upload Upload
		want   string
	}{
		{Upload{Source: "a/b.py"}, "b.py"},
		{Upload{Source: "a/b/"}, "b"},
		{Upload{Source: "a", Target: "x//y/"}, "x/y"},
		{Upload{Source: "a", Target: "./"}, "."},
		{Upload{Source: "."}, "."},
	} {
		if got := row.upload.TargetPath(); got != row.want {
			t.Errorf("TargetPath of %+v = %q, want %q", row.upload, got, row.want)
		}
	}
}
