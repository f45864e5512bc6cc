package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
)

// record is report.json: how the attempt ended and what was enforced. It is
// written by us alone; the worker cannot reach it.
type record struct {
	Job      event.JobID     `json:"job_id"`
	Node     event.NodeID    `json:"node"`
	Message  event.MessageID `json:"message"`
	Attempt  int             `json:"attempt"`
	Epoch    event.Epoch     `json:"epoch"`
	Started  time.Time       `json:"started"`
	TookMS   float64         `json:"took_ms"`
	Status   event.Status    `json:"status"`
	Cause    string          `json:"cause,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	ExitCode int             `json:"exit_code"`
	Signal   string          `json:"signal,omitempty"`
	TimedOut bool            `json:"timed_out"`
	Limit    string          `json:"limit,omitempty"`
	Warnings []string        `json:"warnings,omitempty"`
	Report   *event.Report   `json:"report"`
}

// report writes report.json.
func (a *attempt) report(o event.Outcome) error {
	if a.dir == "" {
		return nil // nothing was laid out
	}
	r := record{
		Job: a.w.Job, Node: a.w.Node.ID, Message: a.w.Message.ID, Attempt: a.w.Attempt.Number, Epoch: a.w.Attempt.Epoch,
		Started: a.w.Attempt.Started, TookMS: float64(o.Took) / float64(time.Millisecond),
		Status: o.Status, Cause: o.Cause, Reason: o.Reason, ExitCode: o.ExitCode, Signal: o.Signal,
		TimedOut: o.TimedOut, Limit: o.Limit, Warnings: o.Warnings, Report: o.Report,
	}
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(a.dir, reportFile), append(raw, '\n'), 0o600)
}
