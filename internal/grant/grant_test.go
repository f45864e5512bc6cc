package grant

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// node is a graph of one executor.
func node(change func(*bundle.ExecutorConfig)) *bundle.Graph {
	e := &bundle.ExecutorConfig{Runner: "native", Command: []string{"true"}}
	change(e)
	return &bundle.Graph{Nodes: []bundle.Node{{ID: "n", Kind: bundle.Executor, Executor: e, Pointer: "/nodes/0"}}}
}

func TestCheck(t *testing.T) {
	reads := func(e *bundle.ExecutorConfig) { e.Policy = policy.Policy{}.With(policy.ReadOnly("/data/a")) }
	rows := []struct {
		name   string
		asks   func(*bundle.ExecutorConfig)
		grants Grants
		flag   string // empty: granted
	}{
		{"nothing", func(*bundle.ExecutorConfig) {}, Grants{}, ""},
		{"read", reads, Grants{}, "--read /data/a"},
		{"read granted above", reads, Grants{Read: []string{"/data"}}, ""},
		{"read granted by a policy", reads, Grants{Policy: &policy.Policy{Filesystem: policy.Filesystem{Read: []string{"/data/a"}}}}, ""},
		{
			"write", func(e *bundle.ExecutorConfig) { e.Policy = policy.Policy{}.With(policy.Writable("/data")) },
			Grants{Read: []string{"/data"}},
			"--write /data",
		},
		{"work folder", func(e *bundle.ExecutorConfig) { e.Policy = policy.Policy{}.With(policy.Writable("$WORKSPACE/out")) }, Grants{}, ""},
		{"pass_env of the node", func(e *bundle.ExecutorConfig) { e.PassEnv = []string{"TOKEN"} }, Grants{}, "--pass-env TOKEN"},
		{"pass_env granted", func(e *bundle.ExecutorConfig) { e.PassEnv = []string{"TOKEN"} }, Grants{PassEnv: []string{"TOKEN"}}, ""},
		{"host", func(e *bundle.ExecutorConfig) { e.Runner = "host" }, Grants{}, "--trust-host"},
		{"host by a ceiling policy alone", func(e *bundle.ExecutorConfig) { e.Runner = "host" }, Grants{Policy: &policy.Policy{Layer: policy.Host}}, "--trust-host"},
		{"host trusted", func(e *bundle.ExecutorConfig) { e.Runner = "host" }, Grants{TrustHost: true}, ""},
		{"memory", func(e *bundle.ExecutorConfig) { e.Policy = policy.Policy{}.With(policy.Memory(8 << 30)) }, Grants{}, "--memory"},
		{"memory granted", func(e *bundle.ExecutorConfig) { e.Policy = policy.Policy{}.With(policy.Memory(8 << 30)) }, Grants{Memory: 8 << 30}, ""},
		{"best effort", func(e *bundle.ExecutorConfig) { e.Policy = policy.Policy{}.With(policy.BestEffort()) }, Grants{}, "best_effort"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			err := Check(node(row.asks), row.grants)
			if row.flag == "" {
				if err != nil {
					t.Fatalf("Check = %v, want granted", err)
				}
				return
			}
			if fault.KindOf(err) != fault.Denied || !strings.HasPrefix(err.Error(), "node n ") {
				t.Fatalf("Check = %v, want Denied, naming the node", err)
			}
			if hint := fault.HintOf(err); !strings.Contains(hint, row.flag) {
				t.Errorf("hint %q lacks %q", hint, row.flag)
			}
		})
	}
}

func TestCheck_namesAllAtOnce(t *testing.T) {
	g := node(func(e *bundle.ExecutorConfig) { e.PassEnv = []string{"A", "B"}; e.Runner = "host" })
	g.Nodes = append(g.Nodes, bundle.Node{ID: "m", Kind: bundle.Executor, Executor: &bundle.ExecutorConfig{PassEnv: []string{"A"}}})
	err := Check(g, Grants{})
	if got := strings.Count(err.Error(), "\n"); got != 3 {
		t.Errorf("%d lines, want 4:\n%v", got+1, err)
	}
	if hint := fault.HintOf(err); strings.Count(hint, "--pass-env A") != 1 {
		t.Errorf("hint %q repeats a flag", hint)
	}
}

func TestCheck_unknownRunner(t *testing.T) {
	err := Check(node(func(e *bundle.ExecutorConfig) { e.Runner = "docker" }), Grants{})
	if fault.KindOf(err) != fault.Unsupported {
		t.Errorf("Check = %v, want Unsupported", err)
	}
}

func TestWithin_layers(t *testing.T) {
	rows := []struct {
		name   string
		runner string
		policy policy.Layer
		grants Grants
		want   policy.Layer
	}{
		{"native", "native", "", Grants{}, ""},
		{"a policy cannot leave the sandbox", "native", policy.Host, Grants{TrustHost: true}, policy.Native},
		{"trust is for nodes that ask", "native", "", Grants{TrustHost: true}, ""},
		{"host", "host", "", Grants{TrustHost: true}, policy.Host},
		{"host refused", "host", "", Grants{}, policy.Native},
		{"a ceiling of native keeps a node off the host", "host", "", Grants{Policy: &policy.Policy{Layer: policy.Native}}, policy.Native},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			g := node(func(e *bundle.ExecutorConfig) { e.Runner, e.Policy.Layer = row.runner, row.policy })
			p, _, err := row.grants.Within(g, &g.Nodes[0])
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Layer; got != row.want && !(row.want == policy.Native && got == "") {
				t.Errorf("Layer = %q, want %q", got, row.want)
			}
		})
	}
}

func TestWithin_operatorsLimitsHold(t *testing.T) {
	g := node(func(e *bundle.ExecutorConfig) {})
	p, excess, err := Grants{Timeout: time.Minute, Memory: 1 << 30, BestEffort: true}.Within(g, &g.Nodes[0])
	if err != nil || len(excess) > 0 {
		t.Fatal(excess, err)
	}
	if p.Limits.WallTime != time.Minute || p.Limits.Memory != 1<<30 || !p.BestEffort {
		t.Errorf("policy = %+v", p)
	}
}

func TestGrants_readBackFromJSON(t *testing.T) {
	g := Grants{
		Policy: &policy.Policy{Layer: policy.GVisor}, Read: []string{"/a"}, PassEnv: []string{"T"},
		Memory: 1 << 30, Timeout: time.Second, TrustHost: true,
	}
	raw, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	var got Grants
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(g, got); d != "" {
		t.Error(d)
	}
}

func TestSecrets_areOfTheSubmitterElseOfTheEnvironment(t *testing.T) {
	t.Setenv("BULKHEAD_TEST_SECRET", "env")
	var s Secrets
	s.Keep("j", map[string]string{"A": "1"})
	if v, ok := s.Value("j", "A"); v != "1" || !ok {
		t.Errorf("A = %q, %t", v, ok)
	}
	if _, ok := s.Value("j", "BULKHEAD_TEST_SECRET"); ok {
		t.Error("a job of this process reads the environment")
	}
	if v, _ := s.Value("resumed", "BULKHEAD_TEST_SECRET"); v != "env" {
		t.Errorf("a resumed job gets %q", v)
	}
	s.Forget("j")
	if _, ok := s.Value("j", "A"); ok {
		t.Error("Forget forgot nothing")
	}
}
