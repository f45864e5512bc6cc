package mirrorneuron

import (
	"cmp"
	"fmt"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/bundle/internal/tree"
	"github.com/bulkhead-dev/bulkhead/event"
)

// routingModes are the modes of edges by ours.
var routingModes = map[string]string{
	"broadcast": "", "all_match": "", "first_match": bundle.ModeFirst,
}

func (l *lowering) eachEdge(n *tree.Node) {
	if !l.AtMost(n, bundle.MaxEdges, "edges") {
		return
	}
	l.Each(given(n), func(_ int, item *tree.Node) {
		if l.Is(item, tree.Object) {
			l.edge(item)
		}
	})
}

// edge reads an edge; one that is not sound is left out of the graph.
func (l *lowering) edge(n *tree.Node) {
	var id, from, to string
	l.String(given(n.Get("edge_id")), &id)
	l.String(given(n.Get("from_node")), &from)
	l.String(given(n.Get("to_node")), &to)
	l.rest(n, edgeKeys)

	e := bundle.Edge{ID: event.EdgeID(id), From: event.NodeID(from), To: event.NodeID(to), Pointer: n.Pointer()}
	name := tree.Clip(cmp.Or(id, "unknown"))
	sound := l.endpoint(n, "from_node", name, e.From)
	sound = l.endpoint(n, "to_node", name, e.To) && sound
	sound = l.messageType(n, name, &e) && sound
	l.routing(n, name, &e)
	if !sound {
		return
	}
	if e.ID == "" {
		e.ID = event.EdgeID(fmt.Sprintf("%s->%s:%s", e.From, e.To, e.Type))
	}
	l.graph.Edges = append(l.graph.Edges, e)
}

func (l *lowering) endpoint(n *tree.Node, key, edge string, id event.NodeID) bool {
	if l.nodes[id] || l.Full() {
		return l.nodes[id]
	}
	l.missing(n, key, fmt.Sprintf("edge %s references missing %s %s", edge, key, tree.Clip(string(id))), tree.Hint(string(id), l.nodes))
	return false
}

func (l *lowering) messageType(n *tree.Node, edge string, e *bundle.Edge) bool {
	v := given(n.Get("message_type"))
	if v == nil || v.Kind == tree.String && v.Text == "" {
		l.missing(n, "message_type", fmt.Sprintf("edge %s must define message_type", edge), `"*" stands for every type`)
		return false
	}
	l.String(v, &e.Type)
	return e.Type != ""
}

// routing reads the mode. Conditions are refused rather than left out: the
// job would take ways that it should not.
func (l *lowering) routing(n *tree.Node, edge string, e *bundle.Edge) {
	if v := given(n.Get("routing_mode")); v != nil {
		mode, ok := routingModes[v.Text]
		if !ok {
			l.Add(v, fmt.Sprintf("edge %s has unsupported routing_mode", edge), tree.Hint(v.Text, routingModes))
		}
		e.Mode = mode
	}
	if v := n.Get("conditions"); v != nil && !empty(v) {
		l.Add(v, fmt.Sprintf("edge %s has conditions, which are not supported yet", edge), "let the worker choose by emit_messages with different types")
	}
}
