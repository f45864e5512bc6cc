package engine

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/engine/decide"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// Submission is a job to be begun.
type Submission struct {
	JobID        event.JobID
	Graph        *bundle.Graph // checked; not changed any more by anybody
	GraphDigest  string
	BundleDigest string
	Folder       string          // the bundle's folder on this host
	Grants       json.RawMessage // what the operator granted; opaque here, stored with the job
	Command      event.CommandID // the same one again is the same submission; zero: a new one
}

// Submit begins a job; when it returns without an error the job survives a
// crash. Submitting again with the same command changes nothing.
//
// Errors: fault.Exists for a job id that is taken, fault.Unsupported for a
// graph that this version cannot run, and those of the store.
func (e *Engine) Submit(ctx context.Context, sub Submission) (event.Summary, error) {
	if sub.Command == (event.CommandID{}) {
		sub.Command = e.dice.command()
	}
	a, err := e.reserve(sub.JobID)
	if err != nil {
		return event.Summary{}, err
	}
	if a == nil {
		return e.resubmit(ctx, sub)
	}
	a.graph = sub.Graph
	err = e.open(a, func() error { return a.submit(ctx, sub) })
	switch {
	case errors.Is(err, errRepeat):
		return e.submitted(ctx, sub)
	case err != nil:
		return event.Summary{}, err
	}
	return a.state.Load().Summary(), nil
}

// submit commits the first transition of a job.
func (a *actor) submit(ctx context.Context, sub Submission) error {
	if err := a.e.putGraph(ctx, sub.GraphDigest, sub.Graph); err != nil {
		return fmt.Errorf("keep graph: %w", err)
	}
	in := decide.Input{Owner: a.e.owner, Do: decide.Submit{
		Job: sub.JobID, Folder: sub.Folder, GraphDigest: sub.GraphDigest, BundleDigest: sub.BundleDigest,
		Grants: sub.Grants, Command: sub.command(),
	}}
	err := a.try(ctx, in, sub.Command)
	if errors.Is(err, errRepeat) || fault.KindOf(err) == fault.Conflict {
		return a.repeated(ctx, sub)
	}
	return err
}

// repeated opens a job that this engine submitted before, when the answer was
// lost. One of an earlier engine stays closed: only Resume adopts.
func (a *actor) repeated(ctx context.Context, sub Submission) error {
	s, err := a.e.load(ctx, a.job)
	switch {
	case err != nil:
		return err
	case s.Command != sub.command():
		return exists(a.job)
	case s.Owner != a.e.owner:
		return errRepeat
	}
	a.state.Store(s)
	a.suspect = false
	return nil
}

// resubmit answers a submission of a job that this engine holds.
func (e *Engine) resubmit(ctx context.Context, sub Submission) (event.Summary, error) {
	a, err := e.held(ctx, sub.JobID)
	switch {
	case err != nil:
		return event.Summary{}, err
	case a == nil || a.state.Load() == nil: // it was not opened after all
		return e.Submit(ctx, sub)
	}
	return e.submitted(ctx, sub)
}

// submitted answers a submission of a job that is on record.
func (e *Engine) submitted(ctx context.Context, sub Submission) (event.Summary, error) {
	s, _, err := e.look(ctx, sub.JobID)
	switch {
	case err != nil:
		return event.Summary{}, err
	case s.Command != sub.command():
		return event.Summary{}, exists(sub.JobID)
	}
	return s.Summary(), nil
}

// command names the submission in the state of its job.
func (s Submission) command() string { return hex.EncodeToString(s.Command[:]) }

// exists is the answer to a job id that is taken.
func exists(job event.JobID) error {
	return fault.Newf(fault.Exists, "job %s exists already", job)
}

// putGraph keeps a graph once.
func (e *Engine) putGraph(ctx context.Context, digest string, g *bundle.Graph) error {
	e.mu.Lock()
	known := e.graphs[digest]
	e.mu.Unlock()
	if known {
		return nil
	}
	if err := e.opt.Store.PutGraph(ctx, digest, *g); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.graphs[digest] = true
	return nil
}

// reserve claims the right to open a job in this engine; nil when it is held
// or being opened already.
func (e *Engine) reserve(job event.JobID) (*actor, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return nil, errStopped()
	}
	if e.jobs[job] != nil {
		return nil, nil
	}
	a := newActor(e, job)
	e.jobs[job] = a
	return a, nil
}

// open runs the first step of a reserved job and puts it to work.
func (e *Engine) open(a *actor, first func() error) error {
	defer close(a.ready)
	if err := first(); err != nil {
		close(a.gone)
		e.forget(a)
		return err
	}
	e.start(a)
	return nil
}

// held returns the actor of a job that this engine holds, once it is open.
func (e *Engine) held(ctx context.Context, job event.JobID) (*actor, error) {
	e.mu.Lock()
	a := e.jobs[job]
	e.mu.Unlock()
	if a == nil {
		return nil, nil
	}
	select {
	case <-a.ready:
		return a, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// do carries out a command: in the actor that holds the job, or by adopting
// the job first.
func (e *Engine) do(ctx context.Context, job event.JobID, what decide.Action) (*actor, error) {
	for {
		a, err := e.held(ctx, job)
		if err != nil {
			return nil, err
		}
		if a == nil {
			if a, err = e.adopt(ctx, job, what); a != nil || err != nil {
				return a, err
			}
			continue
		}
		c := command{ctx, what, make(chan error, 1)}
		select {
		case a.commands <- c:
			return a, <-c.reply
		case <-a.gone: // it has just let go: look again
			e.forget(a)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// adopt opens a job whose owner is gone and carries out a command in the same
// transition. It returns nil when somebody else opens it at the same time.
func (e *Engine) adopt(ctx context.Context, job event.JobID, what decide.Action) (*actor, error) {
	a, err := e.reserve(job)
	if a == nil || err != nil {
		return nil, err
	}
	err = e.open(a, func() error { return a.takeOver(ctx, what) })
	if err != nil {
		return nil, err
	}
	return a, nil
}

// takeOver commits the first transition of a new owner.
func (a *actor) takeOver(ctx context.Context, what decide.Action) error {
	for {
		s, err := a.e.load(ctx, a.job)
		if err != nil {
			return fmt.Errorf("load job: %w", err)
		}
		g, err := a.e.opt.Store.Graph(ctx, s.GraphDigest)
		if err != nil {
			return fmt.Errorf("load graph: %w", err)
		}
		a.graph, a.suspect = &g, false
		a.state.Store(s)
		err = a.try(ctx, decide.Input{Do: what, Adopt: true, Owner: a.e.owner}, event.CommandID{})
		if fault.KindOf(err) != fault.Conflict {
			return err
		}
	}
}

// Cancel ends a job and returns when its attempts are confirmed gone. A job
// that is cancelled already is left alone; one that ended otherwise is
// fault.Invalid.
func (e *Engine) Cancel(ctx context.Context, job event.JobID, reason string) error {
	a, err := e.do(ctx, job, decide.Cancel{Reason: reason})
	if err != nil {
		return err
	}
	select {
	case <-a.gone:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Pause stops the start of attempts and holds the timers of a job; with kill
// its running attempts are ended, uncounted.
func (e *Engine) Pause(ctx context.Context, job event.JobID, kill bool) error {
	_, err := e.do(ctx, job, decide.Pause{Kill: kill})
	return err
}

// Resume lets a paused job go on, and adopts one whose owner is gone: what it
// was running is lost, and what it has finished is not run again.
func (e *Engine) Resume(ctx context.Context, job event.JobID) error {
	_, err := e.do(ctx, job, decide.Resume{})
	return err
}
