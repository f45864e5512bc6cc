// Package mirrorneuron lowers the manifests of the MirrorNeuron project into
// our graph. It is the only room that knows them.
//
// It reads the classic graph form: manifest_version, graph_id, nodes, edges.
// Its workers keep their contract (the files and MN_* variables, placeholders
// such as {input_file} in commands, JSON on stdout), but they run in a native
// sandbox whatever runner the manifest names, and see no more of the host
// than the operator grants. What has no effect here is named in a warning.
package mirrorneuron

import (
	"cmp"
	"fmt"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/bundle/internal/tree"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// Name is the dialect's name in bundles and graphs.
const Name = "mirrorneuron/classic"

// Dialect is for bundle.Load.
var Dialect = bundle.Dialect{
	Lower: Lower,
	Keys: map[string][]string{
		"/id":         {"graph_id"},
		"/name":       {"job_name"},
		"id":          {"node_id", "edge_id"},
		"type":        {"agent_type", "message_type"},
		"from":        {"from_node"},
		"to":          {"to_node"},
		"mode":        {"routing_mode"},
		"runner":      {"runner_module"},
		"env":         {"environment"},
		"uploads":     {"upload_paths", "upload_path"},
		"timeout":     {"timeout_seconds"},
		"retry":       {"max_attempts"},
		"slots":       {"pool_slots"},
		"complete_on": {"complete_on_message"},
	},
}

// Lower reads a classic manifest. File is its name for messages. It returns
// the graph, warnings for what has no effect or another effect here, and
// every problem. With problems the graph holds only what was sound; it is
// never run.
func Lower(file string, manifest []byte) (bundle.Graph, fault.Problems, fault.Problems) {
	root, problems := tree.Parse(file, manifest)
	if problems != nil {
		return bundle.Graph{}, nil, problems
	}
	l := newLowering(file)
	if !l.accepts(root) {
		return bundle.Graph{}, nil, l.Problems()
	}
	l.manifest(root)
	return l.graph, l.notes.problems(file), l.Problems()
}

// lowering reads one manifest.
type lowering struct {
	tree.Reader
	notes notes
	graph bundle.Graph

	nodes map[event.NodeID]bool // every node that the manifest names, sound or not
	roots []event.NodeID        // nodes whose role makes them entrypoints

	messages int  // initial messages of all entrypoints
	flooded  bool // there were too many, and that has been said
}

func newLowering(file string) *lowering {
	return &lowering{
		Reader: tree.Reader{File: file},
		graph:  bundle.Graph{Dialect: Name, Concurrency: defaultConcurrency},
		nodes:  map[event.NodeID]bool{},
	}
}

// defaultConcurrency is how many workers of a job run at once.
const defaultConcurrency = 4

// generations are manifests of the project that a later version will read.
var generations = map[string]string{
	"mn.workflow/v2":        "a compiled workflow",
	"mn.workflow.source/v2": "a workflow's source",
	"blueprint/v1":          "a split blueprint",
}

// accepts reports whether a manifest is of the classic form. If it is not,
// there is one problem that says what it is.
func (l *lowering) accepts(root *tree.Node) bool {
	version := root.Get("apiVersion")
	switch {
	case root.Kind != tree.Object:
		l.Add(root, fmt.Sprintf("a manifest is a JSON object, this is %s", root.Kind), "")
	case version != nil && generations[version.Text] != "":
		l.Add(version, fmt.Sprintf("apiVersion %q (%s) is not supported yet", version.Text, generations[version.Text]), `use the classic graph form or "bulkhead/v1"`)
	case version != nil && version.Kind != tree.Null:
		l.Add(version, fmt.Sprintf("apiVersion %s is not known", tree.Clip(string(version.Raw))), `this version reads "bulkhead/v1", and classic manifests, which have none`)
	case root.Get("manifest_version") == nil && root.Get("graph_id") == nil:
		l.Add(root, "apiVersion is missing", `add "apiVersion": "bulkhead/v1"; a classic manifest has manifest_version and graph_id instead`)
	default:
		return true
	}
	return false
}

func (l *lowering) manifest(root *tree.Node) {
	l.head(root)
	l.eachNode(root)
	l.eachEdge(root.Get("edges"))
	l.entrypoints(root)
	l.initialInputs(root.Get("initial_inputs"))
	l.policies(root.Get("policies"))
	l.rest(root, manifestKeys)
}

func (l *lowering) head(root *tree.Node) {
	if given(root.Get("manifest_version")) == nil {
		l.missing(root, "manifest_version", "manifest_version is required", `add "manifest_version": "1.0"`)
	}
	id := given(root.Get("graph_id"))
	if id == nil {
		l.missing(root, "graph_id", "graph_id is required", "")
	}
	l.String(id, &l.graph.ID)
	l.String(given(root.Get("job_name")), &l.graph.Name)
	l.graph.Name = cmp.Or(l.graph.Name, l.graph.ID)

	var daemon bool
	if d := given(root.Get("daemon")); d != nil && d.Kind != tree.Bool {
		l.Add(d, "daemon must be a boolean", "")
	} else if l.Bool(d, &daemon); daemon {
		l.notes.add(d, "daemon", "daemon has no effect: the job ends when it is quiet, and a failed worker is retried only as max_attempts says")
	}
}

// missing notes a problem with the value of a key in n, which may not be
// there: then the problem stands where it belongs.
func (l *lowering) missing(n *tree.Node, key, reason, fix string) {
	at, pointer := n.Locate("/"+key, nil)
	l.Note(fault.Problem{Pointer: n.Pointer() + pointer, Line: at.Line, Column: at.Column, Reason: reason, Fix: fix})
}

// given is n, or nil when it is null: the project treats both alike.
func given(n *tree.Node) *tree.Node {
	if n == nil || n.Kind == tree.Null {
		return nil
	}
	return n
}

// recoveryModes are what policies.recovery_mode may say.
var recoveryModes = map[string]bool{"local_restart": true, "cluster_recover": true, "manual_recover": true, "auto": true}

func (l *lowering) policies(n *tree.Node) {
	if n = given(n); !l.Is(n, tree.Object) {
		return
	}
	mode := given(n.Get("recovery_mode"))
	if mode != nil && !recoveryModes[mode.Text] {
		l.Add(mode, fmt.Sprintf("unsupported recovery_mode %s", tree.Quote(mode.Text)), tree.Hint(mode.Text, recoveryModes))
	}
	for _, m := range n.Members {
		l.notes.add(m.At, "policies."+m.Key, "policies."+tree.Clip(m.Key)+" has no effect")
	}
}
