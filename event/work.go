package event

import (
	"encoding/json"
	"time"
)

// Message travels along an edge. It is immutable and deduplicated by ID.
type Message struct {
	ID          MessageID `json:"id"`
	From        NodeID    `json:"from,omitempty"` // empty: from the submitter
	To          NodeID    `json:"to"`
	Edge        EdgeID    `json:"edge,omitempty"` // empty: direct or initial
	Type        string    `json:"type"`
	Correlation string    `json:"correlation,omitempty"`
	Causation   MessageID `json:"causation,omitempty"`
	Body        Body      `json:"body"`
	Failure     *Failure  `json:"failure,omitempty"` // on edges that accept failed: why the sender gave up; nil: it did not
}

// Attempt is one try of a node to handle one message.
type Attempt struct {
	Job     JobID     `json:"job"`
	Node    NodeID    `json:"node"`
	Message MessageID `json:"message"`
	Number  int       `json:"number"` // from 1; counted against retry.max_attempts
	Lost    int       `json:"lost"`   // tries lost to a crash of ours; counted against the crash budget
	Epoch   Epoch     `json:"epoch"`
	Started time.Time `json:"started"`
}

// Status is how an attempt ended.
type Status string

// The ways an attempt ends.
const (
	Succeeded Status = "succeeded"
	Failed    Status = "failed"
	Cancelled Status = "cancelled" // killed because the job ended; without effect
	Released  Status = "released"  // returned unfinished (shutdown, drain); not counted
)

// Outcome is what came of an attempt. Everything in it that a worker wrote is
// hostile: bounded in length, trusted in nothing.
type Outcome struct {
	Status    Status `json:"status"`
	Cause     string `json:"cause,omitempty"`     // exit, signal, timeout, limit, control, worker, start; empty when succeeded
	Reason    string `json:"reason,omitempty"`    // why it failed, in words
	Retryable *bool  `json:"retryable,omitempty"` // the worker's own word; nil: it did not say

	ExitCode int    `json:"exit_code"`
	Signal   string `json:"signal,omitempty"`
	TimedOut bool   `json:"timed_out,omitempty"`
	Limit    string `json:"limit,omitempty"` // the limit that was hit: memory, pids, output, …

	Events       []WorkerEvent   `json:"events,omitempty"`
	NextState    json.RawMessage `json:"next_state,omitempty"` // nil: unchanged
	Emit         []Emit          `json:"emit,omitempty"`
	CompleteStep *Body           `json:"complete_step,omitempty"` // nil: not given
	CompleteRun  *Body           `json:"complete_run,omitempty"`  // nil: not given
	Output       Body            `json:"output"`                  // the default body: complete_step, else the JSON object without control keys, else {"stdout": text}
	Warnings     []string        `json:"warnings,omitempty"`      // e.g. text around the JSON on stdout

	Report *Report       `json:"report,omitempty"`
	Took   time.Duration `json:"took"`
}

// WorkerEvent is an event that a worker reported.
type WorkerEvent struct {
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// Emit is a message that a worker asked to send.
type Emit struct {
	Type        string `json:"type"`
	To          NodeID `json:"to,omitempty"` // empty: along the edges
	Correlation string `json:"correlation,omitempty"`
	Body        Body   `json:"body"`
}

// Timer wakes a job at a time.
type Timer struct {
	Key  string    `json:"key"` // unique in the job
	Due  time.Time `json:"due"`
	Name string    `json:"name"` // what for: retry, timeout, …
	Node NodeID    `json:"node,omitempty"`
}

// Permit is one holder of a concurrency key. A key's use is the size of its
// set of holders, never a counter, so releasing twice is harmless.
type Permit struct {
	Key    string `json:"key"`
	Holder string `json:"holder"` // job/node/message
	Slots  int    `json:"slots"`
}

// Transition is one atomic change of one job: all of it or nothing.
type Transition struct {
	Job       JobID
	Command   CommandID       // a repeat returns the first answer and changes nothing
	IfVersion Seq             // the job's last sequence number that the decision was made on; 0: the job must not exist
	Epoch     Epoch           // must not be older than the job's
	Events    []Event         // appended in order; the store numbers them from IfVersion+1
	State     json.RawMessage // the new folded state
	Summary   Summary         // what a listing shows
	Put       []Timer
	Drop      []string // timer keys
	Take      []Permit
	Release   []Permit
}

// Summary is the line of a job in a listing.
type Summary struct {
	Job       JobID     `json:"job_id"`
	Name      string    `json:"name"`
	Status    JobStatus `json:"status"`
	Reason    string    `json:"reason,omitempty"`
	Submitted time.Time `json:"submitted"`
	Updated   time.Time `json:"updated"`
	Version   Seq       `json:"version"`
	Epoch     Epoch     `json:"epoch"`
}

// JobStatus is where a job stands.
type JobStatus string

// The states of a job. The last three are terminal.
const (
	JobStatePending    JobStatus = "pending"
	JobStateRunning    JobStatus = "running"
	JobStatePaused     JobStatus = "paused"
	JobStateCancelling JobStatus = "cancelling"
	JobStateCompleted  JobStatus = "completed"
	JobStateFailed     JobStatus = "failed"
	JobStateCancelled  JobStatus = "cancelled"
)

// Terminal reports whether nothing further can happen to the job.
func (s JobStatus) Terminal() bool {
	return s == JobStateCompleted || s == JobStateFailed || s == JobStateCancelled
}
