package decide

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// Submit begins a job.
type Submit struct {
	Job          event.JobID
	Folder       string
	GraphDigest  string
	BundleDigest string
	Grants       json.RawMessage // opaque; stored with the job
	Command      string          // names the submission, so that a repeat is known for ever
}

func (c Submit) apply(f *fold) error {
	for i := range f.g.Nodes {
		if err := runnable(&f.g.Nodes[i]); err != nil {
			return err
		}
	}
	f.s = newState(f.g, c)
	f.s.Submitted, f.s.Owner = f.in.Now, f.in.Owner
	raw, _ := json.Marshal(map[string]any{
		"folder": c.Folder, "graph": c.GraphDigest, "bundle": c.BundleDigest, "grants": grants(c.Grants),
	})
	data := f.keep(event.Body{Inline: raw})
	cause := f.emit(event.Event{Kind: event.JobSubmitted, Actor: byOperator, Name: f.s.Name, Data: &data})
	f.s.Status = event.JobStateRunning
	cause = f.emit(event.Event{Kind: event.JobStarted, Cause: cause})

	for i := range f.g.Nodes {
		f.seed(f.g.Nodes[i].ID, cause)
	}
	f.walk()
	return nil
}

// newState is the state of a job before its first event.
func newState(g *bundle.Graph, c Submit) *State {
	s := &State{
		V: event.Version, Job: c.Job, Name: g.Name, Status: event.JobStatePending, Epoch: 1,
		Folder: c.Folder, GraphDigest: c.GraphDigest, BundleDigest: c.BundleDigest, Grants: grants(c.Grants),
		Command: c.Command,
		Nodes:   make([]Node, len(g.Nodes)),
	}
	for i := range g.Nodes {
		s.Nodes[i].ID = g.Nodes[i].ID
	}
	return s
}

// grants is what is stored of the operator's grants; nothing when there are none.
func grants(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return nil
	}
	return canonical(raw)
}

// runnable refuses what this version cannot run.
func runnable(n *bundle.Node) error {
	switch n.Kind {
	case bundle.Router, bundle.Executor, bundle.Aggregator:
		return nil
	}
	return fault.Newf(fault.Unsupported, "node %s: a %s is not run by this version", n.ID, n.Kind)
}

// seed delivers a node's initial inputs. An entrypoint without one gets {}.
func (f *fold) seed(id event.NodeID, cause event.Seq) {
	inputs := f.g.InitialInputs[id]
	if len(inputs) == 0 && slices.Contains(f.g.Entrypoints, id) {
		inputs = []json.RawMessage{json.RawMessage("{}")}
	}
	for i, raw := range inputs {
		m := event.Message{ID: messageID(event.MessageID(f.s.Job), id, "", i), To: id, Type: "init"}
		m.Correlation = string(m.ID)
		m.Body = f.keep(event.Body{Inline: raw})
		f.deliver(m, cause)
	}
}

// Tick says that time has passed or that the engine has room again.
type Tick struct{}

func (Tick) apply(f *fold) error {
	f.tick()
	return nil
}

// tick fires the timers that are due, unless the job is paused.
func (f *fold) tick() {
	if f.s.Status != event.JobStateRunning {
		return
	}
	for i := range f.s.Nodes {
		n := &f.s.Nodes[i]
		for j := range n.Queue {
			if it := &n.Queue[j]; it.Phase == Waiting && !it.Due.After(f.in.Now) {
				f.drop(n, it)
				f.emit(event.Event{Kind: event.TimerFired, Cause: it.Seq, Node: n.ID, Message: it.Message.ID, Name: "retry"})
				it.Phase, it.Due = Ready, time.Time{}
			}
		}
	}
}

// Cancel ends a job: what runs is killed, and the job is cancelled when the
// last attempt is confirmed gone. Repeating it is harmless.
type Cancel struct{ Reason string }

func (c Cancel) apply(f *fold) error {
	switch f.s.Status {
	case event.JobStateCancelling, event.JobStateCancelled:
		return nil
	case event.JobStateCompleted, event.JobStateFailed:
		return invalid(f.s, "cancel")
	}
	f.s.Epoch++
	f.s.Status, f.s.Reason, f.s.Kill = event.JobStateCancelling, c.Reason, false
	f.emit(event.Event{Kind: event.JobCancelling, Actor: byOperator, Reason: c.Reason})
	return nil
}

// Abort fails a job that the engine cannot go on with.
type Abort struct{ Reason string }

func (c Abort) apply(f *fold) error {
	if f.s.Status.Terminal() {
		return nil
	}
	f.s.Failure = &Failure{Failure: event.Failure{Cause: "engine", Reason: c.Reason}}
	f.conclude(event.JobStateFailed, event.Event{Kind: event.JobFailed, Cause: f.s.Version, Reason: c.Reason})
	return nil
}

// Pause stops the start of attempts and holds the timers. With Kill the
// running attempts are ended too, uncounted. Repeating it is harmless.
type Pause struct{ Kill bool }

func (c Pause) apply(f *fold) error {
	switch f.s.Status {
	case event.JobStateRunning, event.JobStatePaused:
	default:
		return invalid(f.s, "pause")
	}
	if f.s.Status == event.JobStatePaused && (f.s.Kill || !c.Kill) {
		return nil
	}
	reason := ""
	if c.Kill {
		reason = "running attempts are ended, uncounted"
	}
	f.s.Status, f.s.Kill = event.JobStatePaused, c.Kill
	f.emit(event.Event{Kind: event.JobPaused, Actor: byOperator, Reason: reason})
	return nil
}

// Resume lets a paused job go on, and with Input.Adopt one whose owner is
// gone. A job that runs already is left alone.
type Resume struct{}

func (Resume) apply(f *fold) error {
	if f.s.Status.Terminal() {
		return invalid(f.s, "resume")
	}
	if f.s.Status == event.JobStateCancelling || (f.s.Status == event.JobStateRunning && !f.in.Adopt) {
		return nil
	}
	reason := ""
	if f.in.Adopt {
		reason = "adopted by a new owner"
	}
	f.s.Status, f.s.Kill = event.JobStateRunning, false
	f.emit(event.Event{Kind: event.JobResumed, Actor: byOperator, Reason: reason})
	f.tick()
	return nil
}
