package engine

import (
	"context"
	"fmt"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/engine/decide"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// Job is where a job stands.
type Job struct {
	event.Summary
	Folder       string
	BundleDigest string
	GraphDigest  string
	Grants       []byte
	Nodes        []decide.NodeView
	Pending      []string        // what it waits for, in words; empty when it has ended
	Result       *event.Body     // of a completed job
	Failure      *decide.Failure // of a failed job
	Held         bool            // this engine works on it
}

// Job describes a job without starting anything.
func (e *Engine) Job(ctx context.Context, id event.JobID) (Job, error) {
	s, a, err := e.look(ctx, id)
	if err != nil {
		return Job{}, err
	}
	g, err := e.opt.Store.Graph(ctx, s.GraphDigest)
	if err != nil {
		return Job{}, fmt.Errorf("load graph: %w", err)
	}
	j := describe(&g, s, a != nil)
	if a != nil && !j.Status.Terminal() {
		if trouble := a.trouble.Load(); trouble != nil {
			j.Pending = append([]string{*trouble}, j.Pending...)
		}
	}
	return j, nil
}

// describe puts a job into words.
func describe(g *bundle.Graph, s *decide.State, held bool) Job {
	j := Job{
		Summary: s.Summary(), Folder: s.Folder, BundleDigest: s.BundleDigest, GraphDigest: s.GraphDigest,
		Grants: s.Grants, Nodes: decide.Nodes(g, s), Result: s.Result, Failure: s.Failure, Held: held,
	}
	if s.Status.Terminal() {
		return j
	}
	if !held {
		j.Pending = append(j.Pending, "no engine works on the job: resume it to go on")
	}
	j.Pending = append(j.Pending, decide.Pending(g, s)...)
	return j
}

// look returns the state of a job, from memory when this engine holds it; the
// actor is nil when it does not.
func (e *Engine) look(ctx context.Context, id event.JobID) (*decide.State, *actor, error) {
	a, err := e.held(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if a != nil && a.state.Load() != nil {
		return a.state.Load(), a, nil
	}
	s, err := e.load(ctx, id)
	return s, nil, err
}

// Wait blocks until a job has ended and nothing of it runs, and returns how.
// For a job that no engine works on, and when this engine stops first, it
// answers fault.Interrupted.
func (e *Engine) Wait(ctx context.Context, id event.JobID) (event.Summary, error) {
	a, err := e.held(ctx, id)
	if err != nil {
		return event.Summary{}, err
	}
	if a != nil {
		select {
		case <-a.gone:
		case <-ctx.Done():
			return event.Summary{}, context.Cause(ctx)
		}
	}
	s, err := e.load(ctx, id)
	if err != nil {
		return event.Summary{}, err
	}
	if !s.Status.Terminal() {
		return s.Summary(), fault.Newf(fault.Interrupted, "no engine works on job %s", id).
			WithHint("resume it with 'bulkhead job resume %s'", id)
	}
	return s.Summary(), nil
}

// Changed blocks until a job's history is longer than after, or nothing can
// be added to it by this engine any more, and returns its length. It reads
// no store while it waits.
func (e *Engine) Changed(ctx context.Context, id event.JobID, after event.Seq) (event.Seq, error) {
	a, err := e.held(ctx, id)
	if err != nil {
		return 0, err
	}
	if a == nil || a.state.Load() == nil {
		s, err := e.load(ctx, id)
		if err != nil {
			return 0, err
		}
		return s.Version, nil
	}
	for {
		change := a.next()
		if v := a.state.Load().Version; v > after {
			return v, nil
		}
		select {
		case <-change:
		case <-a.gone:
			return a.state.Load().Version, nil
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}
