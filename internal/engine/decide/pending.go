package decide

import (
	"fmt"
	"time"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
)

// Pending says for each thing that is not finished why it is not, in words.
// It is empty for a job that has ended.
func Pending(g *bundle.Graph, s *State) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	switch s.Status {
	case event.JobStatePaused:
		say("the job is paused: resume it to go on")
	case event.JobStateCancelling:
		say("the job is being cancelled: %d attempts are still ending", len(s.Running()))
	}
	busy := len(s.Running())
	for i := range s.Nodes {
		out = append(out, pendingNode(g, &g.Nodes[i], &s.Nodes[i], busy)...)
	}
	return out
}

// pendingNode is Pending for one node.
func pendingNode(g *bundle.Graph, def *bundle.Node, n *Node, busy int) []string {
	var out []string
	ready := 0
	for _, it := range n.Queue {
		switch it.Phase {
		case Running:
			out = append(out, fmt.Sprintf("node %s: attempt %d runs since %s", n.ID, it.Number, it.Started.Format(time.RFC3339)))
		case Waiting:
			out = append(out, fmt.Sprintf("node %s: attempt %d of %d waits until %s", n.ID, it.Number+1,
				executor(def).Retry.MaxAttempts, it.Due.Format(time.RFC3339)))
		default:
			ready++
		}
	}
	if claimable := len(next(n, def)); claimable > 0 {
		out = append(out, fmt.Sprintf("node %s: %d messages wait for a free place; the job runs %d of at most %d attempts",
			n.ID, claimable, busy, concurrency(g)))
		ready -= claimable
	}
	if ready > 0 {
		out = append(out, fmt.Sprintf("node %s: %d messages wait behind the ones in work", n.ID, ready))
	}
	if len(n.Batch) > 0 {
		out = append(out, fmt.Sprintf("node %s: gathered %d messages; %s", n.ID, len(n.Batch), closes(aggregator(def))))
	}
	return out
}

// closes says what an aggregator waits for.
func closes(c bundle.AggregatorConfig) string {
	switch {
	case c.CompleteAfter > 0 && c.CompleteOn != "":
		return fmt.Sprintf("waits for %d, or for one of type %s", c.CompleteAfter, c.CompleteOn)
	case c.CompleteAfter > 0:
		return fmt.Sprintf("waits for %d", c.CompleteAfter)
	case c.CompleteOn != "":
		return "waits for one of type " + c.CompleteOn
	}
	return "closes when the job is otherwise quiet"
}
