package bundle

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/bulkhead-dev/bulkhead/bundle/internal/tree"
	"github.com/bulkhead-dev/bulkhead/event"
)

// The bounds of numbers in a manifest.
const (
	maxConcurrency     = 1000
	defaultConcurrency = 4
)

// decoder reads a manifest of our dialect into a graph. It checks shapes
// only: what the values mean together is the checker's business.
type decoder struct {
	tree.Reader
	graph         Graph
	failurePolicy string // of nodes that have none of their own
}

// fields names the keys of an object and how each is read.
type fields = map[string]func(*tree.Node)

// decode reads a manifest of our dialect.
func decode(file string, root *tree.Node) parsed {
	d := decoder{Reader: tree.Reader{File: file, Homes: keyHomes}, graph: Graph{Dialect: Native}}
	d.manifest(root)
	return parsed{graph: d.graph, problems: d.Problems()}
}

func (d *decoder) manifest(root *tree.Node) {
	g := &d.graph
	d.String(root.Get("failure_policy"), &d.failurePolicy)
	d.Fields(root, "the manifest", fields{
		"apiVersion":     func(*tree.Node) {},
		"failure_policy": func(*tree.Node) {},
		"id":             func(n *tree.Node) { d.String(n, &g.ID) },
		"name":           func(n *tree.Node) { d.String(n, &g.Name) },
		"description":    func(n *tree.Node) { d.String(n, &g.Description) },
		"concurrency":    func(n *tree.Node) { d.Int(n, 1, maxConcurrency, &g.Concurrency) },
		"policy":         func(n *tree.Node) { g.Policy = d.policy(n) },
		"inputs":         d.inputs,
		"nodes":          func(n *tree.Node) { d.list(n, MaxNodes, "nodes", d.node) },
		"edges":          func(n *tree.Node) { d.list(n, MaxEdges, "edges", d.edge) },
		"entrypoints":    d.entrypoints,
		"initial_inputs": d.initialInputs,
	})
	g.Name = cmp.Or(g.Name, g.ID)
	g.Concurrency = cmp.Or(g.Concurrency, defaultConcurrency)
}

// list reads the items of an array that may have so many.
func (d *decoder) list(n *tree.Node, most int, what string, read func(int, *tree.Node)) {
	if d.AtMost(n, most, what) {
		d.Each(n, read)
	}
}

func (d *decoder) inputs(n *tree.Node) {
	if !d.Is(n, tree.Object) {
		return
	}
	d.graph.Inputs = make(map[string]Input, len(n.Members))
	for _, m := range n.Members {
		d.graph.Inputs[m.Key] = d.input(m.Value)
	}
}

func (d *decoder) input(n *tree.Node) Input {
	var in Input
	d.Fields(n, "an input", fields{
		"description": func(n *tree.Node) { d.String(n, &in.Description) },
		"default": func(n *tree.Node) {
			if n.Kind == tree.Null {
				d.Add(n, "a default may not be null", "leave it out to make the input required")
				return
			}
			in.Default = n.Raw
		},
	})
	return in
}

func (d *decoder) entrypoints(n *tree.Node) {
	d.list(n, MaxNodes, "entrypoints", func(_ int, item *tree.Node) {
		var id string
		d.String(item, &id)
		d.graph.Entrypoints = append(d.graph.Entrypoints, event.NodeID(id))
	})
}

// initialInputs reads what the entrypoints start with: an array is a list of
// messages, anything else is one message.
func (d *decoder) initialInputs(n *tree.Node) {
	if !d.Is(n, tree.Object) {
		return
	}
	inputs := make(map[event.NodeID][]json.RawMessage, len(n.Members))
	for _, m := range n.Members {
		inputs[event.NodeID(m.Key)] = messages(m.Value)
	}
	d.graph.InitialInputs = inputs
}

func messages(n *tree.Node) []json.RawMessage {
	if n.Kind != tree.Array {
		return []json.RawMessage{n.Raw}
	}
	list := make([]json.RawMessage, len(n.Items))
	for i, item := range n.Items {
		list[i] = item.Raw
	}
	return list
}

func (d *decoder) node(i int, n *tree.Node) {
	node := Node{Pointer: fmt.Sprintf("/nodes/%d", i), FailurePolicy: d.failurePolicy}
	var config *tree.Node
	d.Fields(n, "a node", fields{
		"id":             func(n *tree.Node) { d.String(n, (*string)(&node.ID)) },
		"type":           func(n *tree.Node) { d.String(n, (*string)(&node.Kind)) },
		"concurrency":    func(n *tree.Node) { d.Int(n, 1, maxConcurrency, &node.Concurrency) },
		"failure_policy": func(n *tree.Node) { d.String(n, &node.FailurePolicy) },
		"config":         func(n *tree.Node) { config = n },
	})
	d.config(&node, config)
	d.graph.Nodes = append(d.graph.Nodes, node)
}

func (d *decoder) edge(i int, n *tree.Node) {
	e := Edge{Pointer: fmt.Sprintf("/edges/%d", i)}
	d.Fields(n, "an edge", fields{
		"id":      func(n *tree.Node) { d.String(n, (*string)(&e.ID)) },
		"from":    func(n *tree.Node) { d.String(n, (*string)(&e.From)) },
		"to":      func(n *tree.Node) { d.String(n, (*string)(&e.To)) },
		"type":    func(n *tree.Node) { d.String(n, &e.Type) },
		"accepts": func(n *tree.Node) { d.String(n, &e.Accepts) },
		"mode":    func(n *tree.Node) { d.String(n, &e.Mode) },
	})
	if n.Get("id") == nil {
		e.ID = e.defaultID()
	}
	d.graph.Edges = append(d.graph.Edges, e)
}

// defaultID is the id of an edge that has none: what it connects.
func (e Edge) defaultID() event.EdgeID {
	id := fmt.Sprintf("%s->%s:%s", e.From, e.To, e.Type)
	if e.Accepts == AcceptFailed {
		id += ":failed"
	}
	return event.EdgeID(id)
}

// config reads the part of a node that depends on its kind.
func (d *decoder) config(node *Node, n *tree.Node) {
	switch node.Kind {
	case Router:
		node.Router = &RouterConfig{}
		d.part(n, node.Kind, fields{
			"emit_type": func(n *tree.Node) { d.String(n, &node.Router.EmitType) },
		})
	case Aggregator:
		node.Aggregator = &AggregatorConfig{}
		d.part(n, node.Kind, d.aggregator(node.Aggregator))
	case Executor:
		node.Executor = &ExecutorConfig{Runner: RunnerNative}
		d.part(n, node.Kind, d.executor(node))
	}
}

// part reads a config of which n may not be given.
func (d *decoder) part(n *tree.Node, kind NodeKind, known fields) {
	if n != nil {
		d.Fields(n, "the config of "+kinds[kind], known)
	}
}

// kinds are the kinds of nodes with their articles.
var kinds = map[NodeKind]string{Router: "a router", Executor: "an executor", Aggregator: "an aggregator"}

// keyHomes says of each key of a config to which kind of node it belongs.
var keyHomes = func() map[string]string {
	all := map[string]string{"emit_type": "it belongs in the config of a router"}
	for key := range (&decoder{}).aggregator(nil) {
		all[key] = "it belongs in the config of an aggregator"
	}
	for key := range (&decoder{}).executor(&Node{}) {
		all[key] = "it belongs in the config of an executor"
	}
	return all
}()

func (d *decoder) aggregator(a *AggregatorConfig) fields {
	return fields{
		"complete_after":      func(n *tree.Node) { d.Int(n, 1, 1_000_000, &a.CompleteAfter) },
		"complete_on":         func(n *tree.Node) { d.String(n, &a.CompleteOn) },
		"output_message_type": func(n *tree.Node) { d.String(n, &a.OutputMessageType) },
		"complete_run":        func(n *tree.Node) { d.Bool(n, &a.CompleteRun) },
	}
}

func (d *decoder) executor(node *Node) fields {
	e := node.Executor
	return fields{
		"runner":      func(n *tree.Node) { d.String(n, &e.Runner) },
		"command":     func(n *tree.Node) { d.command(n, &e.Command) },
		"uploads":     func(n *tree.Node) { d.uploads(n, &e.Uploads) },
		"workdir":     func(n *tree.Node) { d.String(n, &e.Workdir) },
		"env":         func(n *tree.Node) { d.env(n, &e.Env) },
		"pass_env":    func(n *tree.Node) { d.Strings(n, &e.PassEnv) },
		"policy":      func(n *tree.Node) { e.Policy = d.policy(n) },
		"timeout":     func(n *tree.Node) { d.Duration(n, &e.Timeout) },
		"retry":       func(n *tree.Node) { d.retry(n, &e.Retry) },
		"pool":        func(n *tree.Node) { d.String(n, &e.Pool) },
		"slots":       func(n *tree.Node) { d.Int(n, 1, maxConcurrency, &e.Slots) },
		"image":       func(n *tree.Node) { d.String(n, &e.Image) },
		"external":    func(n *tree.Node) { d.Strings(n, &e.External) },
		"concurrency": func(n *tree.Node) { d.innerConcurrency(n, node) },
		"output_message_type": func(n *tree.Node) {
			if e.NoDefaultOutput = n.Kind == tree.Null; !e.NoDefaultOutput {
				d.String(n, &e.OutputMessageType)
			}
		},
	}
}

// innerConcurrency reads a concurrency that stands in the config; a node may
// have it there or outside, not twice.
func (d *decoder) innerConcurrency(n *tree.Node, node *Node) {
	if node.Concurrency != 0 {
		d.Add(n, "concurrency stands in the node and in its config", "keep one of them")
		return
	}
	d.Int(n, 1, maxConcurrency, &node.Concurrency)
}

// command reads an array of arguments, or a string as shell text.
func (d *decoder) command(n *tree.Node, to *[]string) {
	switch n.Kind {
	case tree.String:
		*to = ShellCommand(n.Text)
	case tree.Array:
		d.Strings(n, to)
	default:
		d.Add(n, fmt.Sprintf("must be an array of strings or a string, is %s", n.Kind), "")
	}
}

// ShellCommand is the command that runs a shell text.
func ShellCommand(text string) []string { return []string{"/bin/sh", "-c", text} }

func (d *decoder) uploads(n *tree.Node, to *[]Upload) {
	d.Each(n, func(_ int, item *tree.Node) {
		var u Upload
		d.Fields(item, "an upload", fields{
			"source": func(n *tree.Node) { d.String(n, &u.Source) },
			"target": func(n *tree.Node) { d.String(n, &u.Target) },
		})
		*to = append(*to, u)
	})
}

func (d *decoder) env(n *tree.Node, to *map[string]string) {
	if !d.Is(n, tree.Object) {
		return
	}
	env := make(map[string]string, len(n.Members))
	for _, m := range n.Members {
		var v string
		d.String(m.Value, &v)
		env[m.Key] = v
	}
	*to = env
}

func (d *decoder) retry(n *tree.Node, to *Retry) {
	d.Fields(n, "retry", fields{
		"max_attempts": func(n *tree.Node) { d.Int(n, 1, maxAttempts, &to.MaxAttempts) },
		"backoff":      func(n *tree.Node) { d.Duration(n, &to.Backoff) },
		"max_backoff":  func(n *tree.Node) { d.Duration(n, &to.MaxBackoff) },
		"jitter":       func(n *tree.Node) { d.Float(n, 0, 1, &to.Jitter) },
		"on":           func(n *tree.Node) { d.Strings(n, &to.On) },
	})
}
