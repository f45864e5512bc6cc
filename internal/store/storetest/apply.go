package storetest

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/store"
)

var applyCases = []testCase{
	{"Apply creates a job", func(t *testing.T, s store.Driver) {
		applied, err := Apply(s, Step("a", 0, 2))
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, applied, store.Applied{Version: 2})
		wantSame(t, mustEvents(t, s, "a"), EventsUpTo("a", 2))
	}},
	{"Apply appends after the last event", func(t *testing.T, s store.Driver) {
		mustApply(t, s, Step("a", 0, 2), Step("a", 2, 3), Step("a", 5, 1))
		wantSame(t, mustEvents(t, s, "a"), EventsUpTo("a", 6))
		wantSame(t, mustLoad(t, s, "a").Version, 6)
	}},
	{"Apply numbers events that have no number", func(t *testing.T, s store.Driver) {
		tr := Step("a", 0, 3)
		for i := range tr.Events {
			tr.Events[i].Seq, tr.Events[i].Job, tr.Events[i].V = 0, "", 0
		}
		mustApply(t, s, tr)
		wantSame(t, mustEvents(t, s, "a"), EventsUpTo("a", 3))
	}},
	{"Apply of nothing answers nothing", func(t *testing.T, s store.Driver) {
		applied, errs := s.Apply(context.Background(), nil)
		if len(applied) != 0 || len(errs) != 0 {
			t.Errorf("Apply = %v, %v", applied, errs)
		}
	}},
	{"Apply keeps transitions of a batch apart", func(t *testing.T, s store.Driver) {
		mustApply(t, s, Step("old", 0, 1))
		batch := []event.Transition{Step("a", 0, 1), Step("old", 7, 1), Step("b", 0, 1), Step("", 0, 1)}
		applied, errs := s.Apply(context.Background(), batch)
		wantSame(t, applied, []store.Applied{{Version: 1}, {}, {Version: 1}, {}})
		for i, want := range []fault.Kind{fault.OK, fault.Conflict, fault.OK, fault.Invalid} {
			wantKind(t, errs[i], want)
		}
		wantSame(t, mustEvents(t, s, "b"), EventsUpTo("b", 1))
	}},
	{"Apply takes one job's transitions of a batch in order", func(t *testing.T, s store.Driver) {
		batch := []event.Transition{Step("a", 0, 1), Step("a", 1, 2), Step("a", 1, 1), Step("a", 3, 1)}
		applied, errs := s.Apply(context.Background(), batch)
		wantSame(t, applied, []store.Applied{{Version: 1}, {Version: 3}, {}, {Version: 4}})
		for i, want := range []fault.Kind{fault.OK, fault.OK, fault.Conflict, fault.OK} {
			wantKind(t, errs[i], want)
		}
		wantSame(t, mustEvents(t, s, "a"), EventsUpTo("a", 4))
	}},
	{"Apply of a refused transition changes nothing", func(t *testing.T, s store.Driver) {
		first := Step("a", 0, 1)
		first.Put = []event.Timer{{Key: "k", Due: Epoch0}}
		mustApply(t, s, first)
		before := mustLoad(t, s, "a")

		bad := Step("a", 5, 1)
		bad.Drop = []string{"k"}
		bad.Put = []event.Timer{{Key: "other", Due: Epoch0}}
		_, err := Apply(s, bad)
		wantKind(t, err, fault.Conflict)

		wantSame(t, mustLoad(t, s, "a"), before)
		wantSame(t, mustEvents(t, s, "a"), EventsUpTo("a", 1))
		wantSame(t, len(mustDue(t, s, store.DueQuery{At: Epoch0})), 1)
	}},
	{"Apply may change state without an event", func(t *testing.T, s store.Driver) {
		mustApply(t, s, Step("a", 0, 2))
		tr := Step("a", 2, 0)
		tr.State = json.RawMessage(`{"quiet":true}`)
		applied, err := Apply(s, tr)
		wantKind(t, err, fault.OK)
		wantSame(t, applied, store.Applied{Version: 2})
		wantSame(t, string(mustLoad(t, s, "a").State), `{"quiet":true}`)
	}},
	{"Apply keeps what it was given, not what becomes of it", func(t *testing.T, s store.Driver) {
		tr := Step("a", 0, 1)
		mustApply(t, s, tr)
		tr.State[2], tr.Events[0].Data.Inline[2], tr.Events[0].Name = 'X', 'X', "changed"
		wantSame(t, mustEvents(t, s, "a"), EventsUpTo("a", 1))
		wantSame(t, string(mustLoad(t, s, "a").State), `{"version":1}`)
	}},
	{"Apply leaves the caller's transition alone", func(t *testing.T, s store.Driver) {
		tr := Step("a", 0, 1)
		tr.Events[0].Seq, tr.Events[0].Job = 0, ""
		mustApply(t, s, tr)
		if tr.Events[0].Seq != 0 || tr.Events[0].Job != "" || tr.Summary.Job != "" {
			t.Errorf("the transition was changed: %+v", tr)
		}
	}},
	{"Apply refuses broken transitions", func(t *testing.T, s store.Driver) {
		for name, breakIt := range brokenTransitions {
			tr := Step("a", 0, 1)
			breakIt(&tr)
			if _, err := Apply(s, tr); fault.KindOf(err) != fault.Invalid {
				t.Errorf("%s: error = %v, want invalid", name, err)
			}
		}
		_, err := s.Load(context.Background(), "a")
		wantKind(t, err, fault.NotFound)
	}},
	{"Apply with a cancelled context changes nothing", func(t *testing.T, s store.Driver) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, errs := s.Apply(ctx, []event.Transition{Step("a", 0, 1)})
		wantKind(t, errs[0], fault.Cancelled)
		_, err := s.Load(context.Background(), "a")
		wantKind(t, err, fault.NotFound)
	}},
	{"Apply keeps a body of a megabyte", func(t *testing.T, s store.Driver) {
		tr := Step("a", 0, 1)
		big := json.RawMessage(`"` + strings.Repeat("x", 1<<20) + `"`)
		tr.Events[0].Data.Inline, tr.State = big, big
		mustApply(t, s, tr)
		if got := mustEvents(t, s, "a")[0].Data.Inline; string(got) != string(big) {
			t.Errorf("event holds %d bytes, want %d", len(got), len(big))
		}
		if got := mustLoad(t, s, "a").State; string(got) != string(big) {
			t.Errorf("state holds %d bytes, want %d", len(got), len(big))
		}
	}},
	{"Apply keeps a thousand events of one transition", func(t *testing.T, s store.Driver) {
		mustApply(t, s, Step("a", 0, 1000))
		wantSame(t, mustEvents(t, s, "a"), EventsUpTo("a", 1000))
	}},
	{"Apply keeps times to the nanosecond and in UTC", func(t *testing.T, s store.Driver) {
		zone := time.FixedZone("east", 3*3600)
		tr := Step("a", 0, 1)
		tr.Events[0].Time = time.Date(2026, 1, 2, 3, 4, 5, 123456789, zone)
		mustApply(t, s, tr)
		wantSame(t, mustEvents(t, s, "a")[0].Time.String(), "2026-01-02 00:04:05.123456789 +0000 UTC")
	}},
	{"Apply keeps bodies by reference and empty bodies", func(t *testing.T, s store.Driver) {
		tr := Step("a", 0, 3)
		tr.Events[0].Data = &event.Body{Ref: &event.BlobRef{Digest: "sha256:ab", Size: 7, Type: "text/plain"}}
		tr.Events[1].Data = &event.Body{}
		tr.Events[2].Data = nil
		mustApply(t, s, tr)
		got := mustEvents(t, s, "a")
		for i := range got {
			wantSame(t, got[i].Data, tr.Events[i].Data)
		}
	}},
	{"Apply keeps hostile text as it is", func(t *testing.T, s store.Driver) {
		tr := Step("a", 0, 1)
		tr.Events[0].Name, tr.Events[0].Reason = "\x00\xff\n", "\u202e;--"
		mustApply(t, s, tr)
		got := mustEvents(t, s, "a")[0]
		wantSame(t, got.Name, tr.Events[0].Name)
		wantSame(t, got.Reason, tr.Events[0].Reason)
	}},
}

// brokenTransitions are ways to break a good transition of job a.
var brokenTransitions = map[string]func(*event.Transition){
	"no job":                func(t *event.Transition) { t.Job = "" },
	"job of 65 bytes":       func(t *event.Transition) { t.Job = event.JobID(strings.Repeat("a", 65)) },
	"job in capitals":       func(t *event.Transition) { t.Job = "A" },
	"job with a slash":      func(t *event.Transition) { t.Job = "a/b" },
	"job with a zero byte":  func(t *event.Transition) { t.Job = "a\x00b" },
	"no command id":         func(t *event.Transition) { t.Command = event.CommandID{} },
	"new job without event": func(t *event.Transition) { t.Events = nil },
	"event without a kind":  func(t *event.Transition) { t.Events[0].Kind = "" },
	"event of another job":  func(t *event.Transition) { t.Events[0].Job = "b" },
	"event with a gap":      func(t *event.Transition) { t.Events[0].Seq = 2 },
	"timer without a key":   func(t *event.Transition) { t.Put = []event.Timer{{Due: Epoch0}} },
	"permit without key":    func(t *event.Transition) { t.Take = []event.Permit{{Holder: "h"}} },
	"permit without holder": func(t *event.Transition) { t.Release = []event.Permit{{Key: "k"}} },
	"permit with zero byte": func(t *event.Transition) { t.Take = []event.Permit{{Key: "k\x00", Holder: "h"}} },
	"state beyond the limit": func(t *event.Transition) {
		t.State = make(json.RawMessage, store.MaxTransition+1)
	},
}
