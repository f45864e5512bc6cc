package store

import (
	"slices"
	"strings"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// MaxTransition is the size in bytes above which a transition is refused:
// larger content belongs into blobs.
const MaxTransition = 64 << 20

// Prepare checks a transition and returns the form in which every driver
// keeps it. The result shares no memory with t. Events are numbered from
// IfVersion+1 and carry the job, times are in UTC without a monotonic part,
// and the summary says the job, version and epoch that the transition leads to.
//
// Drop is applied before Put, and Release before Take, so that a key in both
// lists ends up kept.
//
// The error is fault.Invalid and says what is wrong.
func Prepare(t event.Transition) (event.Transition, error) {
	if err := checkTransition(&t); err != nil {
		return event.Transition{}, err
	}

	t.Events = slices.Clone(t.Events)
	for i := range t.Events {
		if err := prepareEvent(&t, i); err != nil {
			return event.Transition{}, err
		}
	}

	t.State = slices.Clone(t.State)
	t.Summary = prepareSummary(&t)
	t.Put = slices.Clone(t.Put)
	for i := range t.Put {
		t.Put[i].Due = plainTime(t.Put[i].Due)
	}
	t.Drop = slices.Clone(t.Drop)
	t.Take = slices.Clone(t.Take)
	t.Release = slices.Clone(t.Release)
	return t, nil
}

// CheckJobID returns fault.Invalid when id cannot name a job.
func CheckJobID(id event.JobID) error {
	if len(id) == 0 || len(id) > 64 {
		return fault.Newf(fault.Invalid, "job id %q: want 1 to 64 bytes", trim(string(id)))
	}
	for _, c := range []byte(id) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return fault.Newf(fault.Invalid, "job id %q: only a-z, 0-9 and - may occur", trim(string(id)))
		}
	}
	return nil
}

func checkTransition(t *event.Transition) error {
	if err := CheckJobID(t.Job); err != nil {
		return err
	}
	if t.Command == (event.CommandID{}) {
		return fault.Newf(fault.Invalid, "transition of %s: no command id", t.Job)
	}
	if t.IfVersion == 0 && len(t.Events) == 0 {
		return fault.Newf(fault.Invalid, "transition of %s: a new job needs an event", t.Job)
	}
	if n := transitionSize(t); n > MaxTransition {
		return fault.Newf(fault.Invalid, "transition of %s: %d bytes, at most %d may be", t.Job, n, MaxTransition)
	}
	for _, tm := range t.Put {
		if tm.Key == "" {
			return fault.Newf(fault.Invalid, "transition of %s: a timer without a key", t.Job)
		}
	}
	return checkPermits(t)
}

func checkPermits(t *event.Transition) error {
	for _, list := range [][]event.Permit{t.Take, t.Release} {
		for _, p := range list {
			if p.Key == "" || p.Holder == "" || strings.ContainsRune(p.Key, 0) {
				return fault.Newf(fault.Invalid, "transition of %s: a permit needs a key without zero bytes and a holder", t.Job)
			}
		}
	}
	return nil
}

func prepareEvent(t *event.Transition, i int) error {
	e, seq := &t.Events[i], t.IfVersion+event.Seq(i)+1
	switch {
	case e.Kind == "":
		return fault.Newf(fault.Invalid, "transition of %s: event %d has no kind", t.Job, seq)
	case e.Job != "" && e.Job != t.Job:
		return fault.Newf(fault.Invalid, "transition of %s: event %d belongs to %s", t.Job, seq, trim(string(e.Job)))
	case e.Seq != 0 && e.Seq != seq:
		return fault.Newf(fault.Invalid, "transition of %s: event %d is numbered %d", t.Job, seq, e.Seq)
	}

	e.Job, e.Seq, e.Time = t.Job, seq, plainTime(e.Time)
	if e.V == 0 {
		e.V = event.Version
	}
	e.Data = cloneBody(e.Data)
	return nil
}

func prepareSummary(t *event.Transition) event.Summary {
	s := t.Summary
	s.Job = t.Job
	s.Version = t.IfVersion + event.Seq(len(t.Events))
	s.Epoch = t.Epoch
	s.Submitted, s.Updated = plainTime(s.Submitted), plainTime(s.Updated)
	return s
}

func cloneBody(b *event.Body) *event.Body {
	if b == nil {
		return nil
	}
	c := event.Body{Inline: slices.Clone(b.Inline)}
	if b.Ref != nil {
		ref := *b.Ref
		c.Ref = &ref
	}
	return &c
}

// CloneEvents returns a copy that shares no memory with events.
func CloneEvents(events []event.Event) []event.Event {
	out := slices.Clone(events)
	for i := range out {
		out[i].Data = cloneBody(out[i].Data)
	}
	return out
}

// transitionSize is the size of what may be large, in bytes.
func transitionSize(t *event.Transition) int {
	n := len(t.State)
	for i := range t.Events {
		n += len(t.Events[i].Reason) + len(t.Events[i].Name)
		if d := t.Events[i].Data; d != nil {
			n += len(d.Inline)
		}
	}
	return n
}

// plainTime is t in UTC without a monotonic reading.
func plainTime(t time.Time) time.Time { return t.Round(0).UTC() }

// trim shortens foreign text for an error message.
func trim(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
