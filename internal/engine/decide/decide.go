// Package decide is the pure heart of the engine: it folds one input into a
// job's state and says which facts follow.
//
// It reads no clock, no random source and no file, starts no goroutine and
// walks no map: times, random numbers and blobs come in with the input. The
// same graph, state and input give the same bytes, on every machine, for ever.
package decide

import (
	"fmt"
	"time"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// Input is one thing that happened to a job.
type Input struct {
	Do    Action
	Now   time.Time         // when it happened
	Free  int               // attempts that the engine can start beyond those that run; 0: none
	Owner string            // the engine that decides; recorded by Submit and by adoption
	Adopt bool              // the caller is a new owner: raise the epoch, count running attempts as lost
	Blobs map[string][]byte // contents that an earlier NeedBlobs asked for, by digest
}

// Action is what happened: Submit, Complete, Tick, Cancel, Abort, Pause or Resume.
type Action interface{ apply(f *fold) error }

// Result is what follows from an input: the parts of one transition. Without
// events nothing has changed and nothing is to be committed.
type Result struct {
	State   *State
	Events  []event.Event
	Put     []event.Timer
	Drop    []string
	Blobs   []Blob // contents that must be durable before the commit
	Starved bool   // work is ready that only Input.Free kept from starting
}

// Blob is content that became too large to travel inline.
type Blob struct {
	Ref   event.BlobRef
	Bytes []byte
}

// NeedBlobs is the error of a decision that must see contents first: read
// them, put them into Input.Blobs and decide again.
type NeedBlobs struct{ Refs []event.BlobRef }

// Error says how many contents are needed.
func (e *NeedBlobs) Error() string { return fmt.Sprintf("need %d blobs", len(e.Refs)) }

// Decide folds an input into the state of a job; the state is nil for Submit
// and is never changed. It is safe for concurrent use.
//
// Errors: *NeedBlobs, fault.Invalid for a command that the job's status does
// not allow and fault.Unsupported for a graph that this version cannot run.
func Decide(g *bundle.Graph, s *State, in Input) (Result, error) {
	f := begin(g, s, in)
	if in.Adopt && s != nil {
		f.adopt()
	}
	// A loss too many may have ended the job already.
	if ended := in.Adopt && f.s.Status.Terminal() && !s.Status.Terminal(); !ended {
		if err := in.Do.apply(f); err != nil {
			return Result{}, err
		}
	}

	f.settle()
	f.claim()
	return f.finish()
}

// invalid is the answer to a command that the job's status does not allow.
func invalid(s *State, verb string) error {
	return fault.Newf(fault.Invalid, "cannot %s job %s: it is %s", verb, s.Job, s.Status)
}
