package decide

import (
	"slices"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
)

// DefaultConcurrency is how many attempts of a job run at once when its graph
// does not say.
const DefaultConcurrency = 4

// candidate is a message that may be handled now.
type candidate struct {
	n     *Node
	at    int
	seq   event.Seq
	slots int
}

// claim starts attempts, in the order in which their messages were delivered,
// as far as the node, the job and the engine have room.
func (f *fold) claim() {
	if f.s.Status != event.JobStateRunning {
		return
	}
	free, busy, room := f.in.Free, f.busy(), concurrency(f.g)
	for _, c := range f.candidates() {
		// A node that asks for more slots than the job has runs alone.
		if busy > 0 && busy+c.slots > room {
			return
		}
		if free <= 0 {
			f.out.Starved = true
			return
		}
		f.start(c.n, &c.n.Queue[c.at])
		free--
		busy += c.slots
	}
}

// concurrency is how many slots the job has.
func concurrency(g *bundle.Graph) int {
	if g.Concurrency <= 0 {
		return DefaultConcurrency
	}
	return g.Concurrency
}

// busy counts the slots that running attempts hold.
func (f *fold) busy() int {
	slots := 0
	for i := range f.s.Nodes {
		for _, it := range f.s.Nodes[i].Queue {
			if it.Phase == Running {
				slots += weight(&f.g.Nodes[i])
			}
		}
	}
	return slots
}

// weight is how many slots an attempt of a node takes.
func weight(def *bundle.Node) int { return max(1, executor(def).Slots) }

// candidates lists the messages that their nodes would handle now.
func (f *fold) candidates() []candidate {
	var out []candidate
	for i := range f.s.Nodes {
		n, def := &f.s.Nodes[i], &f.g.Nodes[i]
		for _, at := range next(n, def) {
			out = append(out, candidate{n, at, n.Queue[at].Seq, weight(def)})
		}
	}
	slices.SortFunc(out, func(a, b candidate) int { return int(a.seq) - int(b.seq) })
	return out
}

// next lists the places in a mailbox that may be handled now. A node that
// handles one message at a time keeps their order: while the first one waits
// for a retry, so do the others.
func next(n *Node, def *bundle.Node) []int {
	lanes, used := max(1, def.Concurrency), 0
	for _, it := range n.Queue {
		if it.Phase == Running || (it.Phase == Waiting && lanes == 1) {
			used++
		}
	}
	var out []int
	for at := range n.Queue {
		if used >= lanes {
			break
		}
		if n.Queue[at].Phase == Ready {
			out = append(out, at)
			used++
		}
	}
	return out
}

// start claims a message.
func (f *fold) start(n *Node, it *Item) {
	if it.Invocation == 0 {
		n.Handled++
		it.Invocation = n.Handled
	}
	f.s.Claims++
	it.Phase, it.Epoch, it.Started = Running, f.s.Claims, f.in.Now
	it.Number++
	it.Start = f.emit(event.Event{
		Kind: event.AttemptStarted, Cause: it.Seq, Node: n.ID, Message: it.Message.ID,
		Attempt: it.Number, Epoch: it.Epoch,
	})
}
