package storetest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/store"
)

// Epoch0 is the time at which the jobs of the suite begin.
var Epoch0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// NewCommand returns a command id that no other call returns, in this process
// or another.
func NewCommand() event.CommandID {
	var id event.CommandID
	_, _ = rand.Read(id[:]) // never fails
	return id
}

// Step returns a transition of a job that appends n events after a version.
// What it writes is a function of its arguments, apart from the command id.
func Step(job event.JobID, after event.Seq, n int) event.Transition {
	t := event.Transition{
		Job: job, Command: NewCommand(), IfVersion: after, Epoch: 1,
		State: json.RawMessage(fmt.Sprintf(`{"version":%d}`, int(after)+n)),
		Summary: event.Summary{
			Name: "name of " + string(job), Status: event.JobStateRunning,
			Submitted: Epoch0, Updated: Epoch0.Add(time.Duration(after) * time.Second),
		},
	}
	for i := range n {
		t.Events = append(t.Events, Event(job, after+event.Seq(i)+1))
	}
	return t
}

// Event is the event that Step writes at a sequence number, as it is read back.
func Event(job event.JobID, seq event.Seq) event.Event {
	return event.Event{
		V: event.Version, Job: job, Seq: seq, Time: Epoch0.Add(time.Duration(seq) * time.Millisecond),
		Kind: event.AttemptSucceeded, Actor: "engine", Cause: seq - 1, Node: "n", Edge: "a->b:x",
		Message: "00ff", Attempt: 2, Epoch: 1, Name: "name", Reason: "because",
		Data: &event.Body{Inline: json.RawMessage(fmt.Sprintf(`{"seq":%d}`, seq))},
	}
}

// EventsUpTo are the events that Steps from 0 to a version wrote.
func EventsUpTo(job event.JobID, version event.Seq) []event.Event {
	var all []event.Event
	for seq := event.Seq(1); seq <= version; seq++ {
		all = append(all, Event(job, seq))
	}
	return all
}

// Apply applies one transition.
func Apply(s store.Driver, t event.Transition) (store.Applied, error) {
	applied, errs := s.Apply(context.Background(), []event.Transition{t})
	return applied[0], errs[0]
}

// mustApply applies transitions one after the other.
func mustApply(t *testing.T, s store.Driver, ts ...event.Transition) {
	t.Helper()
	for _, tr := range ts {
		if _, err := Apply(s, tr); err != nil {
			t.Fatalf("apply %s after %d: %v", tr.Job, tr.IfVersion, err)
		}
	}
}

func mustLoad(t *testing.T, s store.Driver, job event.JobID) store.Snapshot {
	t.Helper()
	snap, err := s.Load(context.Background(), job)
	if err != nil {
		t.Fatalf("load %s: %v", job, err)
	}
	return snap
}

func mustEvents(t *testing.T, s store.Driver, job event.JobID) []event.Event {
	t.Helper()
	events, err := s.Events(context.Background(), job, 0, 100_000)
	if err != nil {
		t.Fatalf("events of %s: %v", job, err)
	}
	return events
}

func mustList(t *testing.T, s store.Driver, q store.Query) store.Page {
	t.Helper()
	page, err := s.List(context.Background(), q)
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	return page
}

func mustDue(t *testing.T, s store.Driver, q store.DueQuery) []store.DueTimer {
	t.Helper()
	due, err := s.Due(context.Background(), q)
	if err != nil {
		t.Fatalf("due: %v", err)
	}
	return due
}

func wantKind(t *testing.T, err error, want fault.Kind) {
	t.Helper()
	if got := fault.KindOf(err); got != want {
		t.Errorf("error = %v (%v), want %v", err, got, want)
	}
}

func wantSame[T any](t *testing.T, got, want T) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
