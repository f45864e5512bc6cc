package decide

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
)

// State is where a job stands: the fold of its history. It is plain data.
type State struct {
	V         int             `json:"v"`
	Job       event.JobID     `json:"job"`
	Name      string          `json:"name"`
	Status    event.JobStatus `json:"status"`
	Reason    string          `json:"reason,omitempty"`
	Submitted time.Time       `json:"submitted"`
	Updated   time.Time       `json:"updated"`
	Version   event.Seq       `json:"version"`           // the last event
	Epoch     event.Epoch     `json:"epoch"`             // of the owner; raised by adoption and by cancel
	Owner     string          `json:"owner,omitempty"`   // the engine that works on the job
	Command   string          `json:"command,omitempty"` // of the submission, in hex
	Claims    event.Epoch     `json:"claims"`            // attempts started so far; each start takes the next one as its epoch
	Kill      bool            `json:"kill,omitempty"`    // paused with the running attempts to be ended

	Folder       string          `json:"folder,omitempty"`
	GraphDigest  string          `json:"graph"`
	BundleDigest string          `json:"bundle,omitempty"`
	Grants       json.RawMessage `json:"grants,omitempty"` // opaque here

	Nodes []Node   `json:"nodes"`          // in the order of the graph
	Seen  []string `json:"seen,omitempty"` // the latest message ids with the sum of their bytes

	Result  *event.Body `json:"result,omitempty"` // of a completed job
	Failure *Failure    `json:"failed,omitempty"` // of a failed job
}

// Failure is what made a job fail.
type Failure struct {
	event.Failure
	End event.AttemptEnd `json:"end"` // of the failing attempt, with its report
}

// Node is where one node stands.
type Node struct {
	ID      event.NodeID    `json:"id"`
	Queue   []Item          `json:"queue,omitempty"` // the mailbox in commit order
	State   json.RawMessage `json:"state,omitempty"` // what the worker keeps between messages
	Handled int             `json:"handled,omitempty"`

	Succeeded int           `json:"succeeded,omitempty"` // attempts
	Failed    int           `json:"failed,omitempty"`    // attempts, the lost ones included
	Dead      int           `json:"dead,omitempty"`      // messages given up
	Denials   int           `json:"denials,omitempty"`
	Took      time.Duration `json:"took,omitempty"` // all finished attempts together

	Batch   []Gathered  `json:"batch,omitempty"`   // what an aggregator holds
	Flushed bool        `json:"flushed,omitempty"` // it was closed because the job was quiet
	Last    *event.Body `json:"last,omitempty"`    // the latest output of a sink
}

// Gathered is a message in an aggregator.
type Gathered struct {
	ID          event.MessageID `json:"id"`
	Correlation string          `json:"correlation,omitempty"`
	Body        event.Body      `json:"body"`
}

// Phase is where a message in a mailbox stands.
type Phase string

// The phases.
const (
	Ready   Phase = ""
	Running Phase = "running"
	Waiting Phase = "waiting" // for a retry timer
)

// Item is a message in a mailbox with its attempts.
type Item struct {
	Message    event.Message `json:"message"`
	Seq        event.Seq     `json:"seq"` // of message.delivered
	Phase      Phase         `json:"phase,omitempty"`
	Invocation int           `json:"invocation,omitempty"` // 0: not handled yet
	Number     int           `json:"number,omitempty"`     // attempts so far without released and lost ones; the running one included
	Lost       int           `json:"lost,omitempty"`
	Epoch      event.Epoch   `json:"epoch,omitempty"` // of the running attempt
	Start      event.Seq     `json:"start,omitempty"` // of its attempt.started
	Started    time.Time     `json:"started,omitzero"`
	Due        time.Time     `json:"due,omitzero"` // when waiting ends
}

// Live is a running attempt.
type Live struct {
	Node *Node
	Item *Item
}

// Running lists the running attempts in the order of the graph.
func (s *State) Running() []Live {
	var out []Live
	for i := range s.Nodes {
		n := &s.Nodes[i]
		for j := range n.Queue {
			if n.Queue[j].Phase == Running {
				out = append(out, Live{n, &n.Queue[j]})
			}
		}
	}
	return out
}

// Due returns when the next timer of the job is due; zero when there is none,
// and while the job is paused, which holds timers.
func (s *State) Due() time.Time {
	var due time.Time
	if s.Status != event.JobStateRunning {
		return due
	}
	for i := range s.Nodes {
		for _, it := range s.Nodes[i].Queue {
			if it.Phase == Waiting && (due.IsZero() || it.Due.Before(due)) {
				due = it.Due
			}
		}
	}
	return due
}

// Attempt is the running attempt of an item.
func (l Live) Attempt(job event.JobID) event.Attempt {
	return event.Attempt{
		Job: job, Node: l.Node.ID, Message: l.Item.Message.ID,
		Number: l.Item.Number, Lost: l.Item.Lost, Epoch: l.Item.Epoch, Started: l.Item.Started,
	}
}

// Summary is the job's line in a listing.
func (s *State) Summary() event.Summary {
	return event.Summary{
		Job: s.Job, Name: s.Name, Status: s.Status, Reason: s.Reason,
		Submitted: s.Submitted, Updated: s.Updated, Version: s.Version, Epoch: s.Epoch,
	}
}

// clone copies everything that a fold may change; bodies are never changed.
func (s *State) clone() *State {
	c := *s
	c.Seen = slices.Clone(s.Seen)
	c.Nodes = slices.Clone(s.Nodes)
	for i := range c.Nodes {
		c.Nodes[i].Queue = slices.Clone(c.Nodes[i].Queue)
		c.Nodes[i].Batch = slices.Clone(c.Nodes[i].Batch)
	}
	return &c
}
