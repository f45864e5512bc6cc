package mirrorneuron

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// brokenManifests are the sound manifest with one text replaced (all of it,
// where old is empty), and everything that is said about it.
var brokenManifests = []struct {
	name     string
	old, new string
	want     []string
}{
	{"no version", `"manifest_version": "1.0",`, ``, []string{`1:1: /manifest_version: manifest_version is required; add "manifest_version": "1.0"`}},
	{"version null", `"1.0"`, `null`, []string{`2:23: /manifest_version: manifest_version is required; add "manifest_version": "1.0"`}},
	{"no id", `"graph_id": "demo",`, ``, []string{`1:1: /graph_id: graph_id is required`}},
	{"id is a path", `"demo"`, `"../demo"`, []string{`3:15: /graph_id: "../demo" is not an id; use 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter, a digit or _`}},
	{"neither", "", `{"nodes": []}`, []string{`1:1: apiVersion is missing; add "apiVersion": "bulkhead/v1"; a classic manifest has manifest_version and graph_id instead`}},
	{"compiled workflow", "", `{"apiVersion": "mn.workflow/v2", "kind": "Workflow", "manifest_version": "1.0"}`, []string{`1:16: /apiVersion: apiVersion "mn.workflow/v2" (a compiled workflow) is not supported yet; use the classic graph form or "bulkhead/v1"`}},
	{"source of a workflow", "", `{"apiVersion": "mn.workflow.source/v2"}`, []string{`1:16: /apiVersion: apiVersion "mn.workflow.source/v2" (a workflow's source) is not supported yet; use the classic graph form or "bulkhead/v1"`}},
	{"other apiVersion", "", `{"apiVersion": "v1"}`, []string{`1:16: /apiVersion: apiVersion "v1" is not known; this version reads "bulkhead/v1", and classic manifests, which have none`}},
	{"apiVersion a number", "", `{"apiVersion": 2}`, []string{`1:16: /apiVersion: apiVersion 2 is not known; this version reads "bulkhead/v1", and classic manifests, which have none`}},
	{"array", "", `[1]`, []string{`1:1: a manifest is a JSON object, this is an array`}},
	{"daemon", `"graph_id": "demo",`, `"graph_id": "demo", "daemon": "yes",`, []string{`3:33: /daemon: daemon must be a boolean`}},
	{"recovery mode", `"graph_id": "demo",`, `"graph_id": "demo", "policies": {"recovery_mode": "local-restart"},`, []string{`3:53: /policies/recovery_mode: unsupported recovery_mode "local-restart"; did you mean "local_restart"?`}},
	{"no nodes", "", `{"manifest_version": "1.0", "graph_id": "demo", "nodes": []}`, []string{
		`1:58: /nodes: nodes must not be empty`,
		`1:1: /entrypoints: manifest must define at least one entrypoint or one node with role root/root_coordinator`,
	}},
	{"no entrypoint", `"role": "root", `, ``, []string{`1:1: /entrypoints: manifest must define at least one entrypoint or one node with role root/root_coordinator`}},
	{"entrypoint unknown", `"graph_id": "demo",`, `"graph_id": "demo", "entrypoints": ["rnu"],`, []string{`3:39: /entrypoints/0: entrypoint rnu does not reference a known node; did you mean "run"?`}},
	{"node without id", `"node_id": "pass", `, ``, []string{
		`6:5: /nodes/1/node_id: node_id is required for every node`,
		`10:54: /edges/0/to_node: edge e1 references missing to_node pass; known: run, sink`,
		`11:19: /edges/1/from_node: edge unknown references missing from_node pass; known: run, sink`,
	}},
	{"node twice", `"node_id": "pass"`, `"node_id": "run"`, []string{
		`6:17: /nodes/1/node_id: duplicate node_id run`,
		`10:54: /edges/0/to_node: edge e1 references missing to_node pass; known: run, sink`,
		`11:19: /edges/1/from_node: edge unknown references missing from_node pass; known: run, sink`,
	}},
	{"agent type", `"relay"`, `"rleay"`, []string{`6:39: /nodes/1/agent_type: unsupported agent_type "rleay" for node pass; did you mean "relay"?`}},
	{"no agent type", `, "agent_type": "relay"`, ``, []string{`6:5: /nodes/1/agent_type: unsupported agent_type "" for node pass; known: aggregator, collector, executor, module, relay, router, sandbox_worker, sensor`}},
	{"module", `"relay"`, `"module", "config": {"module": "M", "module_source": "m.ex"}`, []string{`6:39: /nodes/1/agent_type: node pass is a module for another virtual machine, which cannot be run here; make it an executor whose worker does the same work as a program`}},
	{"sensor", `"relay"`, `"sensor"`, []string{`6:39: /nodes/1/agent_type: node pass is a sensor; sensor nodes are not supported yet; let an executor wait, or start the job when the event has come`}},
	{"template", `"relay"`, `"relay", "type": "maps"`, []string{`6:56: /nodes/1/type: unsupported template type "maps" for node pass`}},
	{"template of another", `"relay"`, `"relay", "type": "batch"`, []string{`6:56: /nodes/1/type: template type "batch" is not supported for agent_type "router" on node pass`}},
	{"config", `{"command": "true"}`, `"true"`, []string{`5:76: /nodes/0/config: must be an object, is a string`}},
	{"no command", `{"command": "true"}`, `{}`, []string{`5:76: /nodes/0/config/command: the executor has no command; give an array, such as ["python3", "worker.py"], or a string of shell text`}},
	{"runner", `{"command": "true"}`, `{"command": "true", "runner_module": "MirrorNeuron.Runner.HostLocla"}`, []string{`5:113: /nodes/0/config/runner_module: runner_module "MirrorNeuron.Runner.HostLocla" is not known; did you mean "MirrorNeuron.Runner.HostLocal"?`}},
	{"workdir", `{"command": "true"}`, `{"command": "true", "workdir": "/etc"}`, []string{`5:107: /nodes/0/config/workdir: "/etc" is outside the work folder; write it relative to the work folder`}},
	{"upload missing", `{"command": "true"}`, `{"command": "true", "upload_path": "worker"}`, []string{`5:111: /nodes/0/config/upload_path: payloads/ has no "worker"; source is relative to payloads/`}},
	{"upload from the host", `{"command": "true"}`, `{"command": "true", "upload_paths": [{"source": "/etc/passwd", "target": "x"}]}`, []string{`5:124: /nodes/0/config/upload_paths/0/source: "/etc/passwd" is outside payloads/; name a file or folder under payloads/, relative to it`}},
	{"timeout", `{"command": "true"}`, `{"command": "true", "timeout_seconds": -1}`, []string{`5:115: /nodes/0/config/timeout_seconds: must be a number from 0 to 315360000, is -1`}},
	{"attempts", `{"command": "true"}`, `{"command": "true", "max_attempts": 0}`, []string{`5:112: /nodes/0/config/max_attempts: must be a whole number from 1 to 100, is 0`}},
	{"environment", `{"command": "true"}`, `{"command": "true", "environment": {"A": [1]}}`, []string{`5:117: /nodes/0/config/environment/A: must be a string, is an array`}},
	{"name in environment", `{"command": "true"}`, `{"command": "true", "environment": {"A B": "1"}}`, []string{`5:119: /nodes/0/config/environment/A B: "A B" is not a name of a variable; use letters, digits and _, not beginning with a digit`}},
	{"complete_on_message", `"complete_on_message": true`, `"complete_on_message": "done"`, []string{`7:105: /nodes/2/config/complete_on_message: must be a boolean, is a string`}},
	{"edge from nowhere", `"from_node": "run"`, `"from_node": "rnu"`, []string{`10:36: /edges/0/from_node: edge e1 references missing from_node rnu; did you mean "run"?`}},
	{"edge to nowhere", `"to_node": "sink"`, `"to_node": "snik"`, []string{`11:38: /edges/1/to_node: edge unknown references missing to_node snik; did you mean "sink"?`}},
	{"edge without type", `, "message_type": "done"`, ``, []string{`10:5: /edges/0/message_type: edge e1 must define message_type; "*" stands for every type`}},
	{"routing mode", `"message_type": "*"`, `"message_type": "*", "routing_mode": "random"`, []string{`11:83: /edges/1/routing_mode: edge unknown has unsupported routing_mode; known: all_match, broadcast, first_match`}},
	{"conditions", `"message_type": "*"`, `"message_type": "*", "conditions": {"expr": "x"}`, []string{`11:81: /edges/1/conditions: edge unknown has conditions, which are not supported yet; let the worker choose by emit_messages with different types`}},
}

// problemsOf loads a bundle that is not sound and returns its problems with
// the file's name left out.
func problemsOf(t *testing.T, manifest string) []string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "manifest.json"), []byte(manifest), 0o644))
	must(t, os.Mkdir(filepath.Join(dir, "payloads"), 0o755))

	b, err := bundle.Load(dir, Dialect)
	if err == nil {
		b.Close()
		return nil
	}
	var problems fault.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("error = %v, want fault.Problems", err)
	}
	var all []string
	for _, p := range problems {
		all = append(all, strings.TrimPrefix(p.String(), filepath.Join(dir, "manifest.json")+":"))
	}
	return all
}

func TestLoad_saysEverythingThatIsWrong(t *testing.T) {
	for _, row := range brokenManifests {
		t.Run(row.name, func(t *testing.T) {
			manifest := row.new
			if row.old != "" {
				if !strings.Contains(sound, row.old) {
					t.Fatalf("the sound manifest has no %q", row.old)
				}
				manifest = strings.Replace(sound, row.old, row.new, 1)
			}
			if diff := cmp.Diff(row.want, problemsOf(t, manifest)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLoad_takesTheSoundManifest(t *testing.T) {
	if got := problemsOf(t, sound); got != nil {
		t.Error(got)
	}
}
