package decide

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/bulkhead-dev/bulkhead/event"
)

// settle brings a job that has nothing left to do to its end.
func (f *fold) settle() {
	if f.s.Status == event.JobStateCancelling && len(f.s.Running()) == 0 {
		f.conclude(event.JobStateCancelled, event.Event{Kind: event.JobCancelled, Cause: f.s.Version, Reason: f.s.Reason})
		return
	}
	for f.quiet() {
		if !f.flush() {
			f.rest()
			f.complete(f.keep(event.Body{Inline: f.sinks()}), "", f.s.Version)
		}
	}
}

// quiet reports whether a running job has no message in any mailbox.
func (f *fold) quiet() bool {
	if f.s.Status != event.JobStateRunning {
		return false
	}
	for i := range f.s.Nodes {
		if len(f.s.Nodes[i].Queue) > 0 {
			return false
		}
	}
	return true
}

// rest warns about what was gathered after the one flush of an aggregator.
func (f *fold) rest() {
	for i := range f.s.Nodes {
		if n := &f.s.Nodes[i]; len(n.Batch) > 0 {
			f.emit(event.Event{
				Kind: event.Warning, Cause: f.s.Version, Node: n.ID,
				Reason: fmt.Sprintf("%d messages came after the batch was closed and were not sent on", len(n.Batch)),
			})
		}
	}
}

// sinks is the result of a job that ended by itself: the last output of each
// sink node, by id.
func (f *fold) sinks() json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for i := range f.s.Nodes {
		n := &f.s.Nodes[i]
		if n.Last == nil {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(n.ID)
		b.Write(key)
		b.WriteByte(':')
		b.Write(f.content(*n.Last))
	}
	b.WriteByte('}')
	return b.Bytes()
}

// complete ends the job with a result; node is who gave it, empty when the
// job ran out of work.
func (f *fold) complete(result event.Body, node event.NodeID, cause event.Seq) {
	f.s.Result = &result
	ev := event.Event{Kind: event.JobCompleted, Cause: cause, Node: node, Data: &result}
	if node != "" {
		ev.Actor = actor(node)
		ev.Reason = fmt.Sprintf("node %s completed the run", node)
	}
	f.conclude(event.JobStateCompleted, ev)
}

// fail ends the job because of a node.
func (f *fold) fail(why Failure, cause event.Seq) {
	f.s.Failure = &why
	raw, _ := json.Marshal(why.End)
	data := f.keep(event.Body{Inline: raw})
	f.conclude(event.JobStateFailed, event.Event{
		Kind: event.JobFailed, Cause: cause, Node: why.Node, Attempt: why.Attempt,
		Reason: fmt.Sprintf("node %s failed: %s", why.Node, why.Reason), Data: &data,
	})
}

// conclude is the end of the job. What still runs is released without effect;
// the event that ends the job is the last of its history.
func (f *fold) conclude(status event.JobStatus, last event.Event) {
	left := 0
	for i := range f.s.Nodes {
		left += f.clear(&f.s.Nodes[i])
	}
	if left > 0 {
		f.emit(event.Event{Kind: event.Warning, Cause: last.Cause, Reason: fmt.Sprintf("%d messages were left when the job ended", left)})
	}

	f.s.Status, f.s.Reason = status, last.Reason
	f.s.Kill, f.s.Seen, f.hops = false, nil, nil
	f.emit(last)
}

// clear empties a mailbox and returns how many messages had not been begun.
func (f *fold) clear(n *Node) int {
	left := len(n.Batch)
	for at, it := range n.Queue {
		switch it.Phase {
		case Running:
			ev := running{n: n, at: at, it: it}.event(event.AttemptReleased)
			ev.Reason = "the job ended; without effect"
			f.emit(ev)
		case Waiting:
			f.drop(n, &it)
			left++
		default:
			left++
		}
	}
	n.Queue, n.Batch = nil, nil
	return left
}
