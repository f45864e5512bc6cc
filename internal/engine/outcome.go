package engine

import (
	"encoding/json"
	"fmt"

	"github.com/bulkhead-dev/bulkhead/event"
)

// checked turns an outcome that no runner may return into a failed one: the
// engine commits only bodies that are JSON, or a reference, never both.
func checked(o event.Outcome) event.Outcome {
	problem := statusProblem(o.Status)
	for _, raw := range jsons(&o) {
		if len(raw) > 0 && !json.Valid(raw) {
			problem = "a body is not JSON"
		}
	}
	for _, b := range bodies(&o) {
		if b.Ref != nil && len(b.Inline) > 0 {
			problem = "a body is both inline and a reference"
		}
	}
	if problem == "" {
		return o
	}
	return event.Outcome{
		Status: event.Failed, Cause: "control", Reason: "the runner's outcome is malformed: " + problem,
		ExitCode: o.ExitCode, Took: o.Took, Report: o.Report,
	}
}

// statusProblem says what is wrong with a status.
func statusProblem(s event.Status) string {
	switch s {
	case event.Succeeded, event.Failed, event.Cancelled, event.Released:
		return ""
	}
	return fmt.Sprintf("unknown status %q", s)
}

// bodies lists the bodies of an outcome.
func bodies(o *event.Outcome) []event.Body {
	out := []event.Body{o.Output}
	for _, b := range []*event.Body{o.CompleteStep, o.CompleteRun} {
		if b != nil {
			out = append(out, *b)
		}
	}
	for _, e := range o.Emit {
		out = append(out, e.Body)
	}
	return out
}

// jsons lists everything in an outcome that must be JSON.
func jsons(o *event.Outcome) []json.RawMessage {
	out := []json.RawMessage{o.NextState}
	for _, b := range bodies(o) {
		out = append(out, b.Inline)
	}
	for _, w := range o.Events {
		out = append(out, w.Payload)
	}
	return out
}
