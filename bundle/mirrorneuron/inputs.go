package mirrorneuron

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/bundle/internal/tree"
	"github.com/bulkhead-dev/bulkhead/event"
)

// entrypoints reads the entrypoints: a node id or an array of them, and the
// nodes of a root role when there is none.
func (l *lowering) entrypoints(root *tree.Node) {
	n := given(root.Get("entrypoints"))
	switch {
	case n == nil || n.Kind == tree.Array && len(n.Items) == 0:
		l.rootEntrypoints(root)
	case n.Kind == tree.String:
		l.entrypoint(n)
	default:
		if l.AtMost(n, bundle.MaxNodes, "entrypoints") {
			l.Each(n, func(_ int, item *tree.Node) { l.entrypoint(item) })
		}
	}
}

func (l *lowering) rootEntrypoints(root *tree.Node) {
	if l.graph.Entrypoints = l.roots; len(l.roots) == 0 {
		l.missing(root, "entrypoints", "manifest must define at least one entrypoint or one node with role root/root_coordinator", "")
	}
}

func (l *lowering) entrypoint(n *tree.Node) {
	if !l.Is(n, tree.String) {
		return
	}
	id := event.NodeID(n.Text)
	switch {
	case !l.nodes[id] && l.Full():
	case !l.nodes[id]:
		l.Add(n, fmt.Sprintf("entrypoint %s does not reference a known node", tree.Clip(n.Text)), tree.Hint(n.Text, l.nodes))
	case slices.Contains(l.graph.Entrypoints, id):
		l.notes.add(n, "entrypoint twice", "an entrypoint that is given twice starts once")
	default:
		l.graph.Entrypoints = append(l.graph.Entrypoints, id)
	}
}

// initialInputs reads what the entrypoints start with: an object of payloads
// by node, or an array that every entrypoint gets.
func (l *lowering) initialInputs(n *tree.Node) {
	if n = given(n); n == nil {
		return
	}
	if n.Kind != tree.Array && !l.Is(n, tree.Object) {
		return
	}
	l.graph.InitialInputs = map[event.NodeID][]json.RawMessage{}
	if n.Kind == tree.Array {
		l.forAll(n)
		return
	}
	for _, m := range n.Members {
		id := event.NodeID(m.Key)
		switch {
		case m.Key == everyEntrypoint:
		case slices.Contains(l.graph.Entrypoints, id):
			l.forOne(id, m.Value)
		default:
			l.notes.add(m.At, "initial input "+m.Key, fmt.Sprintf("initial_inputs of %s have no effect: it is not an entrypoint", tree.Quote(m.Key)))
		}
	}
	if all := n.Get(everyEntrypoint); all != nil {
		l.forAll(all)
	}
}

// everyEntrypoint is the key under which all entrypoints find their inputs.
const everyEntrypoint = "__entrypoints__"

// forAll gives payloads to each entrypoint that has none of its own.
func (l *lowering) forAll(n *tree.Node) {
	for _, id := range l.graph.Entrypoints {
		if _, ok := l.graph.InitialInputs[id]; !ok {
			l.forOne(id, n)
		}
	}
}

// forOne gives payloads to a node: each item of an array, or the one value.
// An empty array is as good as none.
func (l *lowering) forOne(id event.NodeID, n *tree.Node) {
	payloads := []*tree.Node{n}
	if n.Kind == tree.Array {
		payloads = n.Items
	}
	if l.messages += len(payloads); l.messages > bundle.MaxMessages {
		l.tooMany(n)
		return
	}
	for _, p := range payloads {
		l.graph.InitialInputs[id] = append(l.graph.InitialInputs[id], l.body(p))
	}
}

// tooMany says once that there are more initial messages than there may be.
func (l *lowering) tooMany(n *tree.Node) {
	if l.flooded {
		return
	}
	l.flooded = true
	l.Add(n, fmt.Sprintf("the entrypoints get more than %d initial messages together", bundle.MaxMessages), "")
}

// reserved are keys of a payload that the project takes for the message's own
// fields. They do not reach the worker's input.
var reserved = []string{
	"message_id", "job_id", "from", "to", "type", "class", "timestamp", "correlation_id", "causation_id",
	"attempt", "priority", "ttl_ms", "content_type", "content_encoding", "headers", "artifacts", "stream",
}

// body is the body of the message that a payload stands for. One that has a
// body or a payload is a message of which only that is the body; fields of
// messages that stand in it are taken out.
func (l *lowering) body(n *tree.Node) json.RawMessage {
	for _, key := range []string{"body", "payload"} {
		if v := n.Get(key); v != nil {
			l.notes.add(n, "initial "+key, fmt.Sprintf("an initial input with a %s is taken for a message of that %s", key, key))
			return v.Raw
		}
	}
	kept := map[string]json.RawMessage{}
	for _, m := range n.Members {
		if slices.Contains(reserved, m.Key) || m.Key == "envelope" {
			l.notes.add(m.At, "initial reserved "+m.Key, fmt.Sprintf("%s in an initial input is a field of the message and does not reach the worker", m.Key))
			continue
		}
		kept[m.Key] = m.Value.Raw
	}
	if len(kept) == len(n.Members) {
		return n.Raw
	}
	return encode(kept)
}

// encode writes an object whose values are JSON already.
func encode(object map[string]json.RawMessage) json.RawMessage {
	data, err := json.Marshal(object)
	if err != nil {
		panic("mirrorneuron: checked JSON does not encode: " + err.Error())
	}
	return data
}
