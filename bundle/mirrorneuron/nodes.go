package mirrorneuron

import (
	"fmt"
	"slices"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/bundle/internal/tree"
	"github.com/bulkhead-dev/bulkhead/event"
)

// agentTypes are the kinds of nodes under their names there.
var agentTypes = map[string]bundle.NodeKind{
	"router": bundle.Router, "relay": bundle.Router,
	"executor": bundle.Executor, "sandbox_worker": bundle.Executor,
	"aggregator": bundle.Aggregator, "collector": bundle.Aggregator,
	"sensor": bundle.Sensor,
	"module": module,
}

// module is a kind that we do not have: code for another virtual machine.
const module bundle.NodeKind = "module"

// templates says which template types an agent type may have.
var templates = map[bundle.NodeKind][]string{
	bundle.Router:     {"generic", "map"},
	bundle.Executor:   {"generic", "stream", "map", "reduce", "batch"},
	module:            {"generic", "stream", "map", "reduce", "batch"},
	bundle.Aggregator: {"generic", "reduce"},
	bundle.Sensor:     {"generic"},
}

// rootRoles make a node an entrypoint when the manifest names none.
var rootRoles = []string{"root", "root_coordinator"}

func (l *lowering) eachNode(root *tree.Node) {
	n := given(root.Get("nodes"))
	if n == nil || n.Kind == tree.Array && len(n.Items) == 0 {
		l.missing(root, "nodes", "nodes must not be empty", "")
		return
	}
	if !l.AtMost(n, bundle.MaxNodes, "nodes") {
		return
	}
	l.Each(n, func(_ int, item *tree.Node) {
		if l.Is(item, tree.Object) {
			l.node(item)
		}
	})
}

// node reads a node. One without an id of its own is left out of the graph;
// any other stays, so that what refers to it is not wrong as well.
func (l *lowering) node(n *tree.Node) {
	id, ok := l.nodeID(n)
	kind := l.agentType(n, id)
	template := l.template(n, id, kind)
	l.rest(n, nodeKeys)

	node := bundle.Node{ID: id, Kind: kind, Pointer: n.Pointer()}
	l.config(&node, given(n.Get("config")), template)
	if !ok {
		return
	}
	l.graph.Nodes = append(l.graph.Nodes, node)
	if role := n.Get("role"); role != nil && slices.Contains(rootRoles, role.Text) {
		l.roots = append(l.roots, id)
	}
}

// nodeID reads a node's id; it is not ok when it is missing or taken.
func (l *lowering) nodeID(n *tree.Node) (event.NodeID, bool) {
	v := given(n.Get("node_id"))
	if v == nil || v.Kind == tree.String && v.Text == "" {
		l.missing(n, "node_id", "node_id is required for every node", "")
		return "", false
	}
	if !l.Is(v, tree.String) {
		return "", false
	}
	id := event.NodeID(v.Text)
	if l.nodes[id] {
		l.Add(v, "duplicate node_id "+tree.Clip(v.Text), "")
		return id, false
	}
	l.nodes[id] = true
	return id, true
}

// agentType reads what a node does. Kinds that cannot be run are problems.
func (l *lowering) agentType(n *tree.Node, id event.NodeID) bundle.NodeKind {
	text := ""
	if v := given(n.Get("agent_type")); v != nil {
		text = v.Text
	}
	name := tree.Clip(string(id))
	kind, ok := agentTypes[text]
	switch {
	case !ok:
		l.missing(n, "agent_type", fmt.Sprintf("unsupported agent_type %s for node %s", tree.Quote(text), name), tree.Hint(text, agentTypes))
	case kind == module:
		l.missing(n, "agent_type", fmt.Sprintf("node %s is a module for another virtual machine, which cannot be run here", name), "make it an executor whose worker does the same work as a program")
	case kind == bundle.Sensor:
		l.missing(n, "agent_type", fmt.Sprintf("node %s is a sensor; sensor nodes are not supported yet", name), "let an executor wait, or start the job when the event has come")
	}
	return kind
}

// template reads a node's template type, which is only a word to its worker.
func (l *lowering) template(n *tree.Node, id event.NodeID, kind bundle.NodeKind) string {
	v := given(n.Get("type"))
	if v == nil || v.Kind != tree.String || v.Text == "" {
		return "generic"
	}
	name := v.Text
	if name == "accumulator" {
		name = "reduce"
	}
	allowed, known := templates[kind]
	switch {
	case !slices.Contains(templates[bundle.Executor], name):
		l.Add(v, fmt.Sprintf("unsupported template type %s for node %s", tree.Quote(name), tree.Clip(string(id))), "")
	case known && !slices.Contains(allowed, name):
		l.Add(v, fmt.Sprintf("template type %s is not supported for agent_type %q on node %s", tree.Quote(name), kind, tree.Clip(string(id))), "")
	}
	return name
}

// config reads the part of a node that depends on its kind. None given is as
// good as an empty one.
func (l *lowering) config(node *bundle.Node, c *tree.Node, template string) {
	if c == nil || !l.Is(c, tree.Object) {
		c = &tree.Node{Kind: tree.Object}
	}
	switch node.Kind {
	case bundle.Router:
		node.Router = &bundle.RouterConfig{}
		l.String(given(c.Get("emit_type")), &node.Router.EmitType)
		l.rest(c, routerKeys)
	case bundle.Aggregator:
		node.Aggregator = l.aggregator(c)
		l.rest(c, aggregatorKeys)
	case bundle.Executor:
		node.Executor = l.executor(c, template)
		l.rest(c, executorKeys)
	}
}

// aggregator reads when an aggregator fires. It ends the job unless it has a
// message type to send on.
func (l *lowering) aggregator(c *tree.Node) *bundle.AggregatorConfig {
	a := &bundle.AggregatorConfig{}
	l.String(given(c.Get("output_message_type")), &a.OutputMessageType)
	l.Int(given(c.Get("complete_after")), 1, 1_000_000, &a.CompleteAfter)

	var onMessage bool
	if l.Bool(given(c.Get("complete_on_message")), &onMessage); onMessage {
		a.CompleteAfter = 1
	}
	a.CompleteRun = a.OutputMessageType == ""
	l.Bool(given(c.Get("complete_job")), &a.CompleteRun)
	for _, key := range []string{"complete_run", "terminal_sink"} {
		var ends bool
		if l.Bool(given(c.Get(key)), &ends); ends {
			a.CompleteRun = true
		}
	}
	return a
}
