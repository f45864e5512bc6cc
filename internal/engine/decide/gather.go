package decide

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
)

// maxGathered bounds the bytes of one aggregate.
const maxGathered = 64 << 20

// gather adds a message to an aggregator, and closes the batch when it is full.
func (f *fold) gather(n *Node, def *bundle.Node, h hop) {
	if slices.ContainsFunc(n.Batch, func(g Gathered) bool { return g.ID == h.message.ID }) {
		return
	}
	n.Batch = append(n.Batch, Gathered{h.message.ID, h.message.Correlation, h.message.Body})
	if len(n.Batch) > maxQueued {
		f.fail(Failure{Failure: event.Failure{Node: n.ID, Cause: "limit", Reason: fmt.Sprintf("it gathered more than %d messages", maxQueued)}}, h.seq)
		return
	}

	c := aggregator(def)
	full := c.CompleteAfter > 0 && len(n.Batch) >= c.CompleteAfter
	closed := c.CompleteOn != "" && c.CompleteOn == h.message.Type
	if full || closed {
		f.fire(n, def, h.seq)
	}
}

// aggregator is the configuration of an aggregator; the zero one when the
// manifest gives none.
func aggregator(def *bundle.Node) bundle.AggregatorConfig {
	if def.Aggregator == nil {
		return bundle.AggregatorConfig{}
	}
	return *def.Aggregator
}

// fire sends what an aggregator holds and lets it start anew.
func (f *fold) fire(n *Node, def *bundle.Node, cause event.Seq) {
	batch := n.Batch
	n.Batch = nil
	raw := f.aggregate(batch)
	if len(raw) > maxGathered {
		f.fail(Failure{Failure: event.Failure{Node: n.ID, Cause: "limit", Reason: "the gathered messages are larger than 64 MiB"}}, cause)
		return
	}
	body := f.keep(event.Body{Inline: raw})
	seq := f.emit(event.Event{
		Kind: event.JoinSatisfied, Actor: actor(n.ID), Cause: cause, Node: n.ID,
		Reason: "gathered " + strconv.Itoa(len(batch)) + " messages",
	})

	c := aggregator(def)
	if c.CompleteRun {
		n.Last = &body
		f.complete(body, n.ID, seq)
		return
	}
	if f.sink(n.ID) {
		n.Last = &body
	}
	last := batch[len(batch)-1]
	typ := c.OutputMessageType
	if typ == "" {
		typ = "aggregated"
	}
	f.send(output{
		from: n.ID, input: event.Message{ID: last.ID, Correlation: last.Correlation},
		typ: typ, body: body, cause: seq, quiet: f.sink(n.ID),
	})
}

// aggregate is the body of a closed batch: {"messages": […], "count": n}.
func (f *fold) aggregate(batch []Gathered) json.RawMessage {
	var b bytes.Buffer
	b.WriteString(`{"messages":[`)
	for i, g := range batch {
		if i > 0 {
			b.WriteByte(',')
		}
		if b.Len() <= maxGathered {
			b.Write(f.content(g.Body))
		}
	}
	b.WriteString(`],"count":` + strconv.Itoa(len(batch)) + "}")
	return b.Bytes()
}

// flush closes one open aggregator because the job is otherwise quiet, each
// at most once: first one that no other open one can still feed.
func (f *fold) flush() bool {
	open := f.open()
	if len(open) == 0 {
		return false
	}
	pick := open[0]
	for _, i := range open {
		fed := slices.ContainsFunc(open, func(j int) bool { return j != i && f.reaches(f.s.Nodes[j].ID, f.s.Nodes[i].ID) })
		if !fed {
			pick = i
			break
		}
	}

	f.s.Nodes[pick].Flushed = true
	f.fire(&f.s.Nodes[pick], &f.g.Nodes[pick], f.s.Version)
	f.walk()
	return true
}

// open lists the aggregators that hold messages and were not flushed yet.
func (f *fold) open() []int {
	var out []int
	for i := range f.s.Nodes {
		if n := &f.s.Nodes[i]; len(n.Batch) > 0 && !n.Flushed {
			out = append(out, i)
		}
	}
	return out
}

// reaches reports whether messages of one node can lead to another.
func (f *fold) reaches(from, to event.NodeID) bool {
	known := []event.NodeID{from}
	for i := 0; i < len(known); i++ {
		for _, e := range f.g.Edges {
			if e.From != known[i] || slices.Contains(known, e.To) {
				continue
			}
			if e.To == to {
				return true
			}
			known = append(known, e.To)
		}
	}
	return false
}
