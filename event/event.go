// Package event is the vocabulary of history: what happened to a job, in
// which order, and the nouns that the engine and the stores exchange
// (messages, attempts, outcomes, timers, permits, transitions).
//
// The vocabulary is closed and versioned. A job's history is the job: its
// state is a fold over its events and nothing else.
package event

import (
	"encoding/json"
	"time"
)

// Version is the version of the vocabulary that this build writes.
const Version = 1

// JobID names a job. Only [a-z0-9-], at most 64 bytes; see NewJobID.
type JobID string

// NodeID names a node of a graph.
type NodeID string

// EdgeID names an edge of a graph.
type EdgeID string

// MessageID names a message: hex of a SHA-256 prefix over what caused it.
type MessageID string

// Seq numbers the events of one job from 1 without gaps. 0 means "before the first".
type Seq uint64

// Epoch is a fencing number: a commit with an older epoch is refused.
type Epoch uint64

// CommandID makes a transition idempotent: a repeat returns the first answer.
type CommandID [16]byte

// Kind says what happened. The list is closed; see Kinds.
type Kind string

// The kinds. service.* and deployment.* are reserved.
const (
	JobSubmitted  Kind = "job.submitted"
	JobStarted    Kind = "job.started"
	JobPaused     Kind = "job.paused"
	JobResumed    Kind = "job.resumed"
	JobCancelling Kind = "job.cancelling"
	JobCancelled  Kind = "job.cancelled"
	JobCompleted  Kind = "job.completed"
	JobFailed     Kind = "job.failed"
	JobForked     Kind = "job.forked"

	MessageDelivered Kind = "message.delivered"
	MessageUnrouted  Kind = "message.unrouted"
	MessageDead      Kind = "message.dead"

	AttemptStarted        Kind = "attempt.started"
	AttemptSucceeded      Kind = "attempt.succeeded"
	AttemptFailed         Kind = "attempt.failed"
	AttemptLost           Kind = "attempt.lost"
	AttemptReleased       Kind = "attempt.released"
	AttemptRetryScheduled Kind = "attempt.retry_scheduled"

	JoinSatisfied     Kind = "join.satisfied"
	TimerSet          Kind = "timer.set"
	TimerFired        Kind = "timer.fired"
	SignalReceived    Kind = "signal.received"
	ApprovalRequested Kind = "approval.requested"
	ApprovalGiven     Kind = "approval.given"
	PermitWaiting     Kind = "permit.waiting"
	PermitGranted     Kind = "permit.granted"
	PolicyDenied      Kind = "policy.denied"
	Worker            Kind = "worker" // Name and Data come from the worker: hostile text
	Warning           Kind = "warning"
)

// Event is one fact in a job's history. Fields that do not apply are zero.
type Event struct {
	V       int       `json:"v"`
	Job     JobID     `json:"job"`
	Seq     Seq       `json:"seq"`
	Time    time.Time `json:"time"`
	Kind    Kind      `json:"kind"`
	Actor   string    `json:"actor"`           // who caused it: engine, operator, node:<id>
	Cause   Seq       `json:"cause,omitempty"` // the event that led to this one
	Node    NodeID    `json:"node,omitempty"`
	Edge    EdgeID    `json:"edge,omitempty"`
	Message MessageID `json:"message,omitempty"`
	Attempt int       `json:"attempt,omitempty"` // from 1
	Epoch   Epoch     `json:"epoch,omitempty"`
	Name    string    `json:"name,omitempty"`   // a worker event's type, a timer's name
	Reason  string    `json:"reason,omitempty"` // why, in words
	Data    *Body     `json:"data,omitempty"`   // what came with it
}

// Body is content by value or by reference, never both. The zero Body is empty.
type Body struct {
	Inline json.RawMessage `json:"inline,omitempty"`
	Ref    *BlobRef        `json:"ref,omitempty"`
}

// BlobRef points at content-addressed bytes.
type BlobRef struct {
	Digest string `json:"digest"` // "sha256:" and 64 hex digits
	Size   int64  `json:"size"`   // bytes
	Type   string `json:"type"`   // media type
}

// MaxInline is the size in bytes above which a body becomes a blob.
const MaxInline = 32 << 10
