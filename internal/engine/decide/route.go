package decide

import (
	"fmt"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
)

// maxHops bounds the deliveries through routers and aggregators in one
// decision: a circle of routers would never come to an end.
const maxHops = 10_000

// accepts are the values of Edge.Accepts.
const (
	acceptsDone   = "done"
	acceptsFailed = "failed"
)

// hop is a message on its way to a node that needs no worker.
type hop struct {
	message event.Message
	seq     event.Seq // of message.delivered
}

// output is something that a node sends.
type output struct {
	from        event.NodeID
	input       event.Message // what the node handled
	index       int           // among the node's outputs for this input
	typ         string
	to          event.NodeID // empty: along the edges
	correlation string       // empty: that of the input
	body        event.Body
	failure     *event.Failure
	accepts     string    // empty: done
	cause       event.Seq // the event that led to it
	quiet       bool      // no warning when no edge takes it
}

// send routes an output and reports whether anything took it.
func (f *fold) send(o output) bool {
	if o.correlation == "" {
		o.correlation = o.input.Correlation
	}
	o.body = f.keep(o.body)

	if o.to != "" {
		return f.sendTo(o)
	}
	edges := matching(f.g, o)
	for _, e := range edges {
		f.deliver(o.message(e.To, e.ID), o.cause)
	}
	if len(edges) == 0 && !o.quiet {
		f.unrouted(o, "no edge takes this type")
	}
	return len(edges) > 0
}

// sendTo delivers past the edges, to one node of the graph and nowhere else.
func (f *fold) sendTo(o output) bool {
	if n, _ := f.node(o.to); n == nil {
		f.unrouted(o, fmt.Sprintf("there is no node %q", o.to))
		return false
	}
	f.deliver(o.message(o.to, ""), o.cause)
	return true
}

// matching lists the edges that take an output, in the order of the graph. As
// soon as one of them is first_match, only the first of all takes it.
func matching(g *bundle.Graph, o output) []bundle.Edge {
	accepts := o.accepts
	if accepts == "" {
		accepts = acceptsDone
	}
	var out []bundle.Edge
	first := false
	for _, e := range g.Edges {
		if e.From != o.from || accept(e) != accepts || (e.Type != "*" && e.Type != o.typ) {
			continue
		}
		out = append(out, e)
		first = first || e.Mode == "first_match"
	}
	if first {
		return out[:1]
	}
	return out
}

// accept is what an edge carries.
func accept(e bundle.Edge) string {
	if e.Accepts == "" {
		return acceptsDone
	}
	return e.Accepts
}

// message is an output on its way along an edge.
func (o output) message(to event.NodeID, edge event.EdgeID) event.Message {
	m := event.Message{
		ID:   messageID(o.input.ID, o.from, edge, o.index),
		From: o.from, To: to, Edge: edge, Type: o.typ,
		Correlation: o.correlation, Causation: o.input.ID,
		Body: o.body, Failure: o.failure,
	}
	if m.Correlation == "" {
		m.Correlation = string(m.ID)
	}
	return m
}

// unrouted records that nothing took an output.
func (f *fold) unrouted(o output, reason string) {
	f.emit(event.Event{
		Kind: event.MessageUnrouted, Actor: actor(o.from), Cause: o.cause, Node: o.from,
		Message: o.input.ID, Name: o.typ, Reason: reason, Data: &o.body,
	})
}

// deliver puts a message into a mailbox once.
func (f *fold) deliver(m event.Message, cause event.Seq) {
	if f.s.Status.Terminal() {
		return
	}
	switch f.remember(m) {
	case repeat:
		return
	case forgery:
		f.emit(event.Event{
			Kind: event.Warning, Cause: cause, Node: m.To, Message: m.ID,
			Reason: "a message with a known id and other content was refused",
		})
		return
	}

	by := actor(m.From)
	if m.From == "" {
		by = byOperator
	}
	seq := f.emit(event.Event{
		Kind: event.MessageDelivered, Actor: by, Cause: cause, Node: m.To,
		Edge: m.Edge, Message: m.ID, Name: m.Type, Data: &m.Body,
	})
	n, def := f.node(m.To)
	if def.Kind == bundle.Executor {
		n.Queue = append(n.Queue, Item{Message: m, Seq: seq})
		f.crowded(n, seq)
		return
	}
	f.hops = append(f.hops, hop{m, seq})
}

// maxQueued bounds the messages in one mailbox: all of them are in the state,
// which is written with every commit.
const maxQueued = 10_000

// crowded fails the job when a mailbox has grown out of bounds.
func (f *fold) crowded(n *Node, cause event.Seq) {
	if len(n.Queue) > maxQueued && !f.s.Status.Terminal() {
		f.fail(Failure{Failure: event.Failure{
			Node: n.ID, Cause: "limit",
			Reason: fmt.Sprintf("more than %d messages wait for it", maxQueued),
		}}, cause)
	}
}

// walk carries messages through routers and aggregators until only workers
// have something to do.
func (f *fold) walk() {
	for len(f.hops) > 0 && !f.s.Status.Terminal() {
		h := f.hops[0]
		f.hops = f.hops[1:]
		if f.walked++; f.walked > maxHops {
			f.fail(Failure{Failure: event.Failure{
				Node: h.message.To, Cause: "control",
				Reason: "messages circle between routers and aggregators without a worker",
			}}, h.seq)
			return
		}
		f.pass(h)
	}
}

// pass lets a node without a worker handle a message.
func (f *fold) pass(h hop) {
	n, def := f.node(h.message.To)
	n.Handled++
	n.Succeeded++
	if def.Kind == bundle.Aggregator {
		f.gather(n, def, h)
		return
	}

	typ := h.message.Type
	if def.Router != nil && def.Router.EmitType != "" {
		typ = def.Router.EmitType
	}
	if f.sink(n.ID) {
		n.Last = &h.message.Body
		return
	}
	f.send(output{from: n.ID, input: h.message, typ: typ, body: h.message.Body, failure: h.message.Failure, cause: h.seq})
}

// sink reports whether a node's outputs go to no other node.
func (f *fold) sink(id event.NodeID) bool {
	for _, e := range f.g.Edges {
		if e.From == id && e.To != id && accept(e) == acceptsDone {
			return false
		}
	}
	return true
}
