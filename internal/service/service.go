// Package service has one method for each thing that a user can do: it
// checks the request, asks the engine, the store, a bundle or a sandbox, and
// returns nouns. Every face of the program calls it and nothing below it.
//
// The three parts stand alone: Sandboxes needs no store, Blueprints needs
// neither, and Jobs needs an engine and a store.
package service

import (
	"encoding/json"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/engine"
)

// Job is one run of a bundle as a user sees it.
type Job struct {
	engine.Job
	PassEnv  []string // names that its workers get from the environment of who submits or resumes it
	Attempts string   // the folder of its attempts on this host
}

// Result is what a job came to.
type Result struct {
	Job     event.JobID
	Status  event.JobStatus
	Reason  string
	Output  json.RawMessage
	Reports []AttemptReport // of the attempts that failed, were refused something or missed a wall
}

// AttemptReport is what was enforced around one attempt.
type AttemptReport struct {
	Node    event.NodeID
	Attempt int
	event.Report
}
