package decide

import (
	"fmt"
	"time"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
)

// NodeView is where one node of a job stands, for people.
type NodeView struct {
	ID        event.NodeID
	Kind      bundle.NodeKind
	Status    string // idle, waiting, running, retrying, done, failed
	Queued    int    // messages not begun
	Running   int
	Succeeded int // attempts
	Failed    int
	Denials   int
	Took      time.Duration // of its finished attempts together
	Detail    string
}

// Nodes describes the nodes of a job in the order of its graph.
func Nodes(g *bundle.Graph, s *State) []NodeView {
	out := make([]NodeView, len(s.Nodes))
	for i := range s.Nodes {
		out[i] = view(s, &s.Nodes[i])
		out[i].Kind = g.Nodes[i].Kind
	}
	return out
}

// view describes one node.
func view(s *State, n *Node) NodeView {
	v := NodeView{
		ID: n.ID, Succeeded: n.Succeeded, Failed: n.Failed, Denials: n.Denials, Took: n.Took, Queued: len(n.Batch),
	}
	waiting := 0
	for _, it := range n.Queue {
		switch it.Phase {
		case Running:
			v.Running++
			v.Detail = fmt.Sprintf("attempt %d", it.Number)
		case Waiting:
			waiting++
			v.Detail = fmt.Sprintf("attempt %d failed; next at %s", it.Number, it.Due.Format(time.RFC3339))
		default:
			v.Queued++
		}
	}
	blamed := s.Failure != nil && s.Failure.Node == n.ID
	switch {
	case v.Running > 0:
		v.Status = "running"
	case waiting > 0:
		v.Status = "retrying"
	case v.Queued > 0:
		v.Status = "waiting"
	case blamed || n.Dead > 0:
		v.Status = "failed"
	case n.Handled > 0:
		v.Status = "done"
	default:
		v.Status = "idle"
	}
	if blamed {
		v.Detail = s.Failure.Reason
	}
	return v
}
