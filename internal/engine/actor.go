package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/engine/decide"
)

// actor owns one job: its goroutine alone decides, commits and starts
// attempts. What should run is in the state; reconcile makes it so.
type actor struct {
	e     *Engine
	job   event.JobID
	graph *bundle.Graph

	state    atomic.Pointer[decide.State] // the last one known to be committed
	trouble  atomic.Pointer[string]       // why the last commit failed; nil: it did not
	suspect  bool                         // a commit failed: reload before the next decision
	todo     []decide.Done                // ended attempts that are not committed yet
	live     map[key]context.CancelCauseFunc
	open     bool  // work has begun: attempts may be started
	reserved int   // places taken for attempts that are about to start
	stop     bool  // the engine stops
	lost     error // the job belongs to another engine now, or cannot be read

	commands chan command
	ended    chan decide.Done
	wake     chan struct{} // there is room for attempts
	ready    chan struct{} // closed when opening has succeeded or failed
	gone     chan struct{} // closed when the actor has let go

	mu      sync.Mutex // guards below
	changed chan struct{}
}

// key names a running attempt.
type key struct {
	node    event.NodeID
	message event.MessageID
	epoch   event.Epoch
}

// command is something that somebody asks of a job.
type command struct {
	ctx   context.Context
	do    decide.Action
	reply chan error
}

// newActor returns an actor that does not work yet.
func newActor(e *Engine, job event.JobID) *actor {
	return &actor{
		e: e, job: job, live: map[key]context.CancelCauseFunc{},
		commands: make(chan command), ended: make(chan decide.Done),
		wake: make(chan struct{}, 1), ready: make(chan struct{}), gone: make(chan struct{}),
		changed: make(chan struct{}),
	}
}

// work is the life of an actor. It returns when the job has ended, the engine
// stops or the job is lost to another engine, and no attempt runs any more.
func (a *actor) work(ctx context.Context) {
	defer close(a.gone)
	defer a.notify()
	stopping := ctx.Done()
	tries := 0
	a.open = true
	a.reconcile()
	for !a.over() {
		timer, stopTimer := a.timer(tries)
		select {
		case <-stopping:
			stopping, a.stop = nil, true
			a.e.slots.leave(a)
			a.reconcile()
		case c := <-a.commands:
			c.reply <- a.step(c.ctx, c.do)
		case d := <-a.ended:
			a.end(d)
			tries = a.progress(ctx, tries)
		case <-a.wake:
			tries = a.progress(ctx, tries)
		case <-timer:
			tries = a.progress(ctx, tries)
		}
		stopTimer()
	}
}

// over reports whether the actor has nothing left to do.
func (a *actor) over() bool {
	if len(a.live) > 0 {
		return false
	}
	return a.lost != nil || a.stop && len(a.todo) == 0 || a.state.Load().Status.Terminal()
}

// timer fires when the next timer of the job is due, or when a failed commit
// is to be tried again; never when neither is so.
func (a *actor) timer(tries int) (fires <-chan time.Time, stop func()) {
	due := a.state.Load().Due()
	if due.IsZero() && tries == 0 {
		return nil, func() {}
	}
	wait := max(0, due.Sub(a.e.opt.Clock()))
	if tries > 0 {
		wait = min(50*time.Millisecond<<min(tries, 7), 5*time.Second)
	}
	t := time.NewTimer(wait)
	return t.C, func() { t.Stop() }
}

// end takes note of an attempt that is over.
func (a *actor) end(d decide.Done) {
	k := key{d.Node, d.Message, d.Epoch}
	a.live[k](nil)
	delete(a.live, k)
	a.e.slots.release(1)
	d.Outcome = checked(d.Outcome)
	d.Random = a.e.dice.float()
	a.todo = append(a.todo, d)
}

// giveUpAfter is how often an actor of a stopping engine tries to commit.
const giveUpAfter = 5

// progress commits what has happened. It returns how often that has failed in
// a row; nothing is forgotten then, and delay says when it is tried again.
func (a *actor) progress(ctx context.Context, tries int) int {
	if a.lost != nil || a.state.Load().Status.Terminal() {
		a.todo = nil
		return 0
	}
	var do decide.Action = decide.Tick{}
	if len(a.todo) > 0 {
		do = decide.Complete{Done: a.todo}
	}
	err := a.step(context.WithoutCancel(ctx), do)
	if errors.As(err, new(hopelessError)) {
		err = a.step(context.WithoutCancel(ctx), decide.Abort{Reason: "the engine cannot go on: " + err.Error()})
	}
	if err == nil || a.lost != nil {
		a.todo = nil
		a.trouble.Store(nil)
		return 0
	}

	reason := "the last commit failed and is tried again: " + err.Error()
	a.trouble.Store(&reason)
	a.e.opt.Log.Warn("commit failed", "job", a.job, "err", err, "tries", tries+1)
	if a.stop && tries >= giveUpAfter {
		a.todo = nil // recorded as lost when the job is resumed
	}
	return tries + 1
}

// reconcile starts and ends attempts until what runs is what the state says.
// What is left of the reserved places goes back.
func (a *actor) reconcile() {
	s := a.state.Load()
	want := map[key]bool{}
	started := 0
	for _, l := range s.Running() {
		k := key{l.Node.ID, l.Item.Message.ID, l.Item.Epoch}
		want[k] = true
		if _, ok := a.live[k]; ok || a.stop || a.lost != nil || a.finished(k) {
			continue
		}
		a.begin(k, l)
		started++
	}
	for k, cancel := range a.live {
		if why := a.reason(s, want[k]); why != nil {
			cancel(why)
		}
	}

	a.e.slots.settle(a.reserved, started)
	a.reserved = 0
}

// finished reports whether an attempt is over and only waits to be committed.
func (a *actor) finished(k key) bool {
	for _, d := range a.todo {
		if (key{d.Node, d.Message, d.Epoch}) == k {
			return true
		}
	}
	return false
}

// reason says why a live attempt must end; nil: it need not.
func (a *actor) reason(s *decide.State, wanted bool) error {
	switch {
	case a.stop, a.lost != nil, s.Kill && s.Status == event.JobStatePaused:
		return ErrStopping
	case !wanted, s.Status == event.JobStateCancelling:
		return ErrCancelled
	}
	return nil
}

// begin starts an attempt.
func (a *actor) begin(k key, l decide.Live) {
	ctx, cancel := context.WithCancelCause(context.Background())
	a.live[k] = cancel
	w := a.workOf(l)
	a.e.quiet.Go(func() {
		o := a.e.opt.Runner.Run(ctx, w)
		a.ended <- decide.Done{Node: k.node, Message: k.message, Epoch: k.epoch, Outcome: o}
	})
}

// workOf is what the runner needs for an attempt.
func (a *actor) workOf(l decide.Live) Work {
	s := a.state.Load()
	w := Work{
		Job: a.job, JobName: s.Name, Graph: a.graph, Attempt: l.Attempt(a.job), Message: l.Item.Message,
		State: l.Node.State, Invocation: l.Item.Invocation, Grants: s.Grants,
		Folder: s.Folder, BundleDigest: s.BundleDigest,
	}
	for i := range a.graph.Nodes {
		if a.graph.Nodes[i].ID == l.Node.ID {
			w.Node = &a.graph.Nodes[i]
		}
	}
	return w
}

// notify wakes everybody who waits for the job to change.
func (a *actor) notify() {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.changed)
	a.changed = make(chan struct{})
}

// next returns a channel that is closed at the next change.
func (a *actor) next() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.changed
}
