package decide

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
)

// CrashBudget is how many losses to a crash of ours a message survives; the
// next one counts as its failure.
const CrashBudget = 3

// Complete says how attempts ended.
type Complete struct{ Done []Done }

// Done is the end of one attempt. One that the state does not hold as running
// under this epoch has no effect.
type Done struct {
	Node    event.NodeID
	Message event.MessageID
	Epoch   event.Epoch
	Random  float64 // from 0 to 1, for the jitter of a retry
	Outcome event.Outcome
}

func (c Complete) apply(f *fold) error {
	for i := range c.Done {
		if f.s.Status.Terminal() {
			break
		}
		f.done(&c.Done[i])
		f.walk()
	}
	return nil
}

// running is an attempt in a decision: its node, its place in the mailbox, and
// a copy of the item as it was.
type running struct {
	n   *Node
	def *bundle.Node
	at  int
	it  Item
}

// find looks up a running attempt.
func (f *fold) find(d *Done) (running, bool) {
	n, def := f.node(d.Node)
	if n == nil {
		return running{}, false
	}
	at := slices.IndexFunc(n.Queue, func(it Item) bool {
		return it.Phase == Running && it.Message.ID == d.Message && it.Epoch == d.Epoch
	})
	if at < 0 {
		return running{}, false
	}
	return running{n, def, at, n.Queue[at]}, true
}

// item is the attempt's place in the mailbox.
func (r running) item() *Item { return &r.n.Queue[r.at] }

// remove takes the message out of the mailbox.
func (r running) remove() { r.n.Queue = slices.Delete(r.n.Queue, r.at, r.at+1) }

// event is an event about the attempt.
func (r running) event(kind event.Kind) event.Event {
	return event.Event{
		Kind: kind, Cause: r.it.Start, Node: r.n.ID, Message: r.it.Message.ID,
		Attempt: r.it.Number, Epoch: r.it.Epoch,
	}
}

// done folds the end of one attempt.
func (f *fold) done(d *Done) {
	r, ok := f.find(d)
	if !ok {
		return
	}
	o := &d.Outcome
	if f.s.Status == event.JobStateCancelling {
		f.release(r, "the job was cancelled; without effect")
		return
	}

	switch o.Status {
	case event.Succeeded:
		f.tally(r, o)
		f.succeed(r, o)
	case event.Released, event.Cancelled:
		f.release(r, o.Reason)
	default:
		f.tally(r, o)
		f.failed(r, o, d.Random)
	}
}

// maxDenials is how many refusals of one attempt become events; a worker
// could provoke any number.
const maxDenials = 256

// tally counts what an attempt used and records what was refused to it.
func (f *fold) tally(r running, o *event.Outcome) {
	r.n.Took += o.Took
	if o.Report == nil {
		return
	}
	for i, d := range o.Report.Denials {
		r.n.Denials += max(1, d.Count)
		if i == maxDenials {
			ev := r.event(event.Warning)
			ev.Reason = fmt.Sprintf("%d more refusals are in the report only", len(o.Report.Denials)-maxDenials)
			f.emit(ev)
		}
		if i >= maxDenials {
			continue
		}
		raw, _ := json.Marshal(d)
		ev := r.event(event.PolicyDenied)
		ev.Name, ev.Reason, ev.Data = d.Operation, d.Step, &event.Body{Inline: raw}
		f.emit(ev)
	}
}

// release returns an unfinished attempt uncounted; its message keeps its place.
func (f *fold) release(r running, reason string) {
	ev := r.event(event.AttemptReleased)
	ev.Reason = reason
	f.emit(ev)
	it := r.item()
	it.Phase, it.Number, it.Epoch, it.Start = Ready, it.Number-1, 0, 0
}

// succeed takes over what a finished attempt says.
func (f *fold) succeed(r running, o *event.Outcome) {
	f.tell(r, o)
	ev := r.event(event.AttemptSucceeded)
	ev.Actor, ev.Data = actor(r.n.ID), f.end(o)
	seq := f.emit(ev)

	r.n.Succeeded++
	if o.NextState != nil && r.def.Concurrency <= 1 {
		r.n.State = canonical(o.NextState)
	}
	r.remove()
	if o.CompleteRun != nil {
		f.complete(f.keep(*o.CompleteRun), r.n.ID, seq)
		return
	}
	f.outputs(r, o, seq)
}

// tell records the worker's events and the warnings about its output.
func (f *fold) tell(r running, o *event.Outcome) {
	for _, w := range o.Events {
		ev := r.event(event.Worker)
		ev.Actor, ev.Name = actor(r.n.ID), w.Type
		if len(w.Payload) > 0 {
			body := f.keep(event.Body{Inline: w.Payload})
			ev.Data = &body
		}
		f.emit(ev)
	}
	warnings := o.Warnings
	if n := len(o.Emit); n > 0 && o.CompleteRun != nil {
		warnings = append(slices.Clone(warnings), fmt.Sprintf("%d messages sent together with complete_run are without effect", n))
	}
	if o.NextState != nil && r.def.Concurrency > 1 {
		warnings = append(slices.Clone(warnings), "next_state is without effect: a node with concurrency has no state")
	}
	for _, w := range warnings {
		ev := r.event(event.Warning)
		ev.Reason = w
		f.emit(ev)
	}
}

// outputs sends the default message and then the worker's own ones.
func (f *fold) outputs(r running, o *event.Outcome, cause event.Seq) {
	cfg := executor(r.def)
	base := output{from: r.n.ID, input: r.it.Message, cause: cause}
	standard := o.Output
	if f.sink(r.n.ID) {
		standard = f.keep(standard)
		r.n.Last = &standard
	}
	if !cfg.NoDefaultOutput {
		d := base
		d.typ, d.body = cfg.OutputMessageType, standard
		// A sink's output is its result, and a worker that sends messages of
		// its own need not have an edge for the default one.
		d.quiet = f.sink(r.n.ID) || (d.typ == "" && len(o.Emit) > 0)
		if d.typ == "" {
			d.typ = "executor_result"
		}
		f.send(d)
	}
	for i, e := range o.Emit {
		d := base
		d.index, d.typ, d.to, d.correlation, d.body = i+1, e.Type, e.To, e.Correlation, e.Body
		f.send(d)
	}
}

// executor is the configuration of an executor; the zero one when there is none.
func executor(def *bundle.Node) bundle.ExecutorConfig {
	if def.Executor == nil {
		return bundle.ExecutorConfig{}
	}
	return *def.Executor
}

// failed records a failed attempt and retries it or gives it up. What the
// worker wrote besides is discarded.
func (f *fold) failed(r running, o *event.Outcome, random float64) {
	r.n.Failed++
	ev := r.event(event.AttemptFailed)
	ev.Reason, ev.Data = o.Reason, f.end(o)
	seq := f.emit(ev)

	cfg := executor(r.def)
	if !retries(cfg.Retry, r.it.Number, o) {
		f.giveUp(r, Failure{event.Failure{Node: r.n.ID, Attempt: r.it.Number, Cause: o.Cause, Reason: o.Reason}, attemptEnd(o)}, seq)
		return
	}
	it := r.item()
	delay := backoff(cfg.Retry, it.Number, random)
	it.Phase, it.Due, it.Epoch, it.Start = Waiting, f.in.Now.Add(delay), 0, 0
	f.put(r.n, it, it.Due)
	next := r.event(event.AttemptRetryScheduled)
	next.Cause, next.Reason = seq, fmt.Sprintf("attempt %d of %d in %s", it.Number+1, cfg.Retry.MaxAttempts, delay)
	f.emit(next)
}

// giveUp passes a message whose retries are exhausted to the edges that accept
// it, else to the node's failure policy.
func (f *fold) giveUp(r running, why Failure, cause event.Seq) {
	r.remove()
	r.n.Dead++
	m := r.it.Message
	taken := f.send(output{
		from: r.n.ID, input: m, typ: m.Type, body: m.Body, failure: &why.Failure,
		accepts: acceptsFailed, cause: cause, quiet: true,
	})
	if taken {
		return
	}
	if r.def.FailurePolicy == "continue" {
		ev := r.event(event.MessageDead)
		ev.Cause, ev.Reason, ev.Data = cause, why.Reason, &m.Body
		f.emit(ev)
		return
	}
	f.fail(why, cause)
}

// attemptEnd is how an attempt ended, with its whole report.
func attemptEnd(o *event.Outcome) event.AttemptEnd {
	return event.AttemptEnd{
		Cause: o.Cause, ExitCode: o.ExitCode, Signal: o.Signal, TimedOut: o.TimedOut,
		Limit: o.Limit, Took: o.Took, Report: o.Report,
	}
}

// end is the data of the event that ends an attempt.
func (f *fold) end(o *event.Outcome) *event.Body {
	e := attemptEnd(o)
	if r := e.Report; o.Status == event.Succeeded && r != nil && len(r.Denials) == 0 && len(r.Missing) == 0 {
		e.Report = nil
	}
	raw, _ := json.Marshal(e)
	body := f.keep(event.Body{Inline: raw})
	return &body
}

// adopt makes the caller the owner: older owners are fenced, and what they
// were running is lost.
func (f *fold) adopt() {
	if f.s.Status.Terminal() {
		return
	}
	f.s.Epoch++
	f.s.Owner, f.s.Kill = f.in.Owner, false
	var lost []Done
	for _, l := range f.s.Running() {
		lost = append(lost, Done{Node: l.Node.ID, Message: l.Item.Message.ID, Epoch: l.Item.Epoch})
	}
	for i := range lost {
		if r, ok := f.find(&lost[i]); ok {
			f.lose(r)
		}
	}
	f.walk()
}

// lose records an attempt that a crash of ours interrupted.
func (f *fold) lose(r running) {
	r.n.Failed++
	it := r.item()
	ev := r.event(event.AttemptLost)
	ev.Reason = fmt.Sprintf("its owner is gone; loss %d, budget %d", it.Lost+1, CrashBudget)
	seq := f.emit(ev)
	it.Phase, it.Number, it.Epoch, it.Start, it.Lost = Ready, it.Number-1, 0, 0, it.Lost+1
	if it.Lost <= CrashBudget || f.s.Status == event.JobStateCancelling {
		return
	}
	reason := fmt.Sprintf("lost %d times to crashes of the engine", it.Lost)
	f.giveUp(r, Failure{Failure: event.Failure{Node: r.n.ID, Attempt: r.it.Number, Cause: "lost", Reason: reason}}, seq)
}
