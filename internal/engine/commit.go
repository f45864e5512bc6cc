package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/engine/decide"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// step decides on an action, commits what follows and makes it so. When the
// commit fails the action has not been forgotten by anybody: the caller may
// repeat it.
func (a *actor) step(ctx context.Context, do decide.Action) error {
	in := decide.Input{Do: do, Owner: a.e.owner}
	for {
		if a.lost == nil {
			if err := a.refresh(ctx); err != nil {
				return err
			}
		}
		if a.lost != nil {
			return a.lost
		}
		err := a.try(ctx, in, event.CommandID{})
		if fault.KindOf(err) != fault.Conflict {
			return err
		}
	}
}

// try makes one decision and commits it under a command id; a zero one means
// a fresh one. After a failed commit the state is suspect.
func (a *actor) try(ctx context.Context, in decide.Input, id event.CommandID) error {
	reserved := 0
	if !a.stop {
		reserved = a.e.slots.reserve(a, a.room())
	}
	in.Now, in.Free = a.e.opt.Clock(), reserved
	before := a.state.Load()
	r, err := a.decide(ctx, before, in)
	if err == nil && len(r.Events) > 0 {
		err = a.commit(ctx, before, r, id)
	}
	if err != nil {
		a.e.slots.release(reserved)
		return err
	}

	if len(r.Events) > 0 {
		a.state.Store(r.State)
		a.notify()
	}
	a.queue(r.Starved, reserved > 0)
	a.reserved += reserved
	if a.open {
		a.reconcile()
	}
	return nil
}

// room is how many more attempts the job could run.
func (a *actor) room() int {
	limit := a.graph.Concurrency
	if limit <= 0 {
		limit = decide.DefaultConcurrency
	}
	return max(0, limit-len(a.live))
}

// queue waits for a place, or stops waiting.
func (a *actor) queue(starved, served bool) {
	if starved && !a.stop {
		a.e.slots.wait(a, served)
		return
	}
	a.e.slots.leave(a)
}

// decide decides, reading the blobs that the decision needs to see.
func (a *actor) decide(ctx context.Context, s *decide.State, in decide.Input) (decide.Result, error) {
	for {
		r, err := decide.Decide(a.graph, s, in)
		var need *decide.NeedBlobs
		if !errors.As(err, &need) {
			return r, err
		}
		if in.Blobs == nil {
			in.Blobs = map[string][]byte{}
		}
		for _, ref := range need.Refs {
			raw, err := a.e.read(ctx, ref)
			if err != nil {
				return decide.Result{}, hopeless(fmt.Errorf("read blob: %w", err), fault.Corrupt, fault.NotFound)
			}
			in.Blobs[ref.Digest] = raw
		}
	}
}

// read returns the bytes of a blob.
func (e *Engine) read(ctx context.Context, ref event.BlobRef) ([]byte, error) {
	r, err := e.opt.Store.Blob(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// commit makes a decision durable: first the blobs, then the transition.
func (a *actor) commit(ctx context.Context, before *decide.State, r decide.Result, id event.CommandID) error {
	for _, b := range r.Blobs {
		ref, err := a.e.opt.Store.PutBlob(ctx, b.Ref.Type, bytes.NewReader(b.Bytes))
		if err != nil {
			return fmt.Errorf("keep blob: %w", err)
		}
		if ref.Digest != b.Ref.Digest {
			return fault.Newf(fault.Internal, "the store names a blob %s that is %s", ref.Digest, b.Ref.Digest)
		}
	}
	t, err := a.transition(before, r, id)
	if err != nil {
		return err
	}

	applied, errs := a.e.opt.Store.Apply(ctx, []event.Transition{t})
	switch {
	case errs[0] != nil:
		a.suspect = true
		return hopeless(errs[0], fault.Invalid)
	case applied[0].Repeat:
		a.suspect = true
		return errRepeat
	}
	return nil
}

// hopelessError is one that a repetition would only meet again: the job
// cannot go on.
type hopelessError struct{ error }

// Unwrap returns what happened.
func (e hopelessError) Unwrap() error { return e.error }

// hopeless marks an error of one of some kinds.
func hopeless(err error, kinds ...fault.Kind) error {
	if slices.Contains(kinds, fault.KindOf(err)) {
		return hopelessError{err}
	}
	return err
}

// errRepeat says that a command id was known: the job is as it was.
var errRepeat = errors.New("the command was carried out before")

// transition is what a decision asks of the store.
func (a *actor) transition(before *decide.State, r decide.Result, id event.CommandID) (event.Transition, error) {
	state, err := json.Marshal(r.State)
	if err != nil {
		return event.Transition{}, fault.Newf(fault.Internal, "encode state: %w", err)
	}
	if id == (event.CommandID{}) {
		id = a.e.dice.command()
	}
	t := event.Transition{
		Job: a.job, Command: id, Epoch: r.State.Epoch, Events: r.Events, State: state,
		Summary: r.State.Summary(), Put: r.Put, Drop: r.Drop,
	}
	if before != nil {
		t.IfVersion = before.Version
	}
	return t, nil
}

// refresh reloads a suspect state, and notices when another engine has taken
// the job or when it cannot be read any more.
func (a *actor) refresh(ctx context.Context) error {
	if !a.suspect {
		return nil
	}
	s, err := a.e.load(ctx, a.job)
	switch {
	case fault.KindOf(err) == fault.Corrupt, fault.KindOf(err) == fault.NotFound:
		a.lose(err)
		return nil
	case err != nil:
		return err
	case s.Owner != a.e.owner:
		a.lose(fault.Newf(fault.Conflict, "job %s was taken over by another engine", a.job))
		return nil
	}
	a.suspect = false
	a.state.Store(s)
	a.notify()
	a.reconcile()
	return nil
}

// lose lets go of a job: its attempts are ended.
func (a *actor) lose(why error) {
	a.lost = why
	a.e.opt.Log.Error("job lost", "job", a.job, "err", why)
	a.e.slots.leave(a)
	a.reconcile()
}

// load reads the state of a job.
func (e *Engine) load(ctx context.Context, job event.JobID) (*decide.State, error) {
	snap, err := e.opt.Store.Load(ctx, job)
	if err != nil {
		return nil, err
	}
	s := new(decide.State)
	if err := json.Unmarshal(snap.State, s); err != nil {
		return nil, fault.Newf(fault.Corrupt, "state of job %s: %w", job, err)
	}
	if s.Version != snap.Version {
		return nil, fault.Newf(fault.Corrupt, "state of job %s is at %d, its history at %d", job, s.Version, snap.Version)
	}
	return s, nil
}
