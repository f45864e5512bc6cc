package decide

import (
	"time"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
)

// The actors of events.
const (
	byEngine   = "engine"
	byOperator = "operator"
)

// fold is one decision while it is being made.
type fold struct {
	g    *bundle.Graph
	s    *State
	in   Input
	out  Result
	need []event.BlobRef

	hops   []hop // messages on their way through routers and aggregators
	walked int   // hops so far, bounded by maxHops
	inline int   // bytes of bodies that stayed inline in this decision
}

// begin opens a decision on a copy of the state.
func begin(g *bundle.Graph, s *State, in Input) *fold {
	in.Now = in.Now.UTC().Round(0) // no monotonic reading: it would not survive a reload
	f := &fold{g: g, in: in}
	if s != nil {
		f.s = s.clone()
	}
	return f
}

// finish closes the decision.
func (f *fold) finish() (Result, error) {
	if len(f.need) > 0 {
		return Result{}, &NeedBlobs{f.need}
	}
	f.out.State = f.s
	if len(f.out.Events) > 0 {
		f.s.Updated = f.in.Now
	}
	return f.out, nil
}

// emit appends an event and returns its sequence number.
func (f *fold) emit(ev event.Event) event.Seq {
	f.s.Version++
	ev.V, ev.Job, ev.Seq, ev.Time = event.Version, f.s.Job, f.s.Version, f.in.Now
	if ev.Actor == "" {
		ev.Actor = byEngine
	}
	if ev.Epoch == 0 {
		ev.Epoch = f.s.Epoch
	}
	f.out.Events = append(f.out.Events, ev)
	return ev.Seq
}

// put sets the retry timer of an item.
func (f *fold) put(n *Node, it *Item, due time.Time) {
	f.out.Put = append(f.out.Put, event.Timer{Key: timerKey(n.ID, it.Message.ID), Due: due, Name: "retry", Node: n.ID})
}

// drop removes the retry timer of an item.
func (f *fold) drop(n *Node, it *Item) {
	f.out.Drop = append(f.out.Drop, timerKey(n.ID, it.Message.ID))
}

// timerKey names the retry timer of a message at a node.
func timerKey(n event.NodeID, m event.MessageID) string {
	return "retry/" + string(n) + "/" + string(m)
}

// node returns a node with its definition; nil when the graph has none of that name.
func (f *fold) node(id event.NodeID) (*Node, *bundle.Node) {
	for i := range f.g.Nodes {
		if f.g.Nodes[i].ID == id {
			return &f.s.Nodes[i], &f.g.Nodes[i]
		}
	}
	return nil, nil
}

// actor is the name of a node as the cause of an event.
func actor(id event.NodeID) string { return "node:" + string(id) }
