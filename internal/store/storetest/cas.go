package storetest

import (
	"context"
	"testing"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/store"
)

var casCases = []testCase{
	{"Apply rejects a stale version", func(t *testing.T, s store.Driver) {
		mustApply(t, s, Step("a", 0, 1), Step("a", 1, 1))
		_, err := Apply(s, Step("a", 1, 1))
		wantKind(t, err, fault.Conflict)
	}},
	{"Apply rejects a version from the future", func(t *testing.T, s store.Driver) {
		mustApply(t, s, Step("a", 0, 1))
		_, err := Apply(s, Step("a", 2, 1))
		wantKind(t, err, fault.Conflict)
	}},
	{"Apply rejects creating a job twice", func(t *testing.T, s store.Driver) {
		mustApply(t, s, Step("a", 0, 1))
		_, err := Apply(s, Step("a", 0, 1))
		wantKind(t, err, fault.Conflict)
	}},
	{"Apply to an unknown job finds none", func(t *testing.T, s store.Driver) {
		_, err := Apply(s, Step("a", 3, 1))
		wantKind(t, err, fault.NotFound)
	}},
	{"Apply rejects an older epoch", func(t *testing.T, s store.Driver) {
		first := Step("a", 0, 1)
		first.Epoch = 5
		mustApply(t, s, first)
		stale := Step("a", 1, 1)
		stale.Epoch = 4
		_, err := Apply(s, stale)
		wantKind(t, err, fault.Conflict)
		wantSame(t, mustLoad(t, s, "a").Epoch, 5)
	}},
	{"Apply takes a newer epoch and fences the old one", func(t *testing.T, s store.Driver) {
		newer := Step("a", 1, 1)
		newer.Epoch = 9
		mustApply(t, s, Step("a", 0, 1), newer)
		wantSame(t, mustLoad(t, s, "a").Epoch, 9)
		_, err := Apply(s, Step("a", 2, 1))
		wantKind(t, err, fault.Conflict)
	}},
	{"Apply compares per job", func(t *testing.T, s store.Driver) {
		mustApply(t, s, Step("a", 0, 3), Step("b", 0, 1), Step("b", 1, 1), Step("a", 3, 1))
		wantSame(t, mustLoad(t, s, "a").Version, 4)
		wantSame(t, mustLoad(t, s, "b").Version, 2)
	}},
	{"Jobs whose ids begin alike stay apart", func(t *testing.T, s store.Driver) {
		for _, id := range []event.JobID{"a", "a-", "a0", "aa", "aa-a"} {
			mustApply(t, s, Step(id, 0, 2))
		}
		for _, id := range []event.JobID{"a", "a-", "a0", "aa", "aa-a"} {
			wantSame(t, mustEvents(t, s, id), EventsUpTo(id, 2))
		}
	}},
}

var commandCases = []testCase{
	{"Apply of a known command changes nothing", func(t *testing.T, s store.Driver) {
		tr := Step("a", 0, 2)
		mustApply(t, s, tr)
		applied, err := Apply(s, tr)
		wantKind(t, err, fault.OK)
		wantSame(t, applied, store.Applied{Version: 2, Repeat: true})
		wantSame(t, mustEvents(t, s, "a"), EventsUpTo("a", 2))
	}},
	{"Apply gives the first answer, not the newest", func(t *testing.T, s store.Driver) {
		tr := Step("a", 0, 2)
		mustApply(t, s, tr, Step("a", 2, 5))
		applied, err := Apply(s, tr)
		wantKind(t, err, fault.OK)
		wantSame(t, applied, store.Applied{Version: 2, Repeat: true})
	}},
	{"Apply of a known command ignores other content", func(t *testing.T, s store.Driver) {
		tr := Step("a", 0, 1)
		other := Step("a", 77, 3)
		other.Command = tr.Command
		mustApply(t, s, tr)
		applied, err := Apply(s, other)
		wantKind(t, err, fault.OK)
		wantSame(t, applied, store.Applied{Version: 1, Repeat: true})
		wantSame(t, mustLoad(t, s, "a").Version, 1)
	}},
	{"Apply recognises a command twice in one batch", func(t *testing.T, s store.Driver) {
		tr := Step("a", 0, 1)
		applied, errs := s.Apply(context.Background(), []event.Transition{tr, tr})
		wantKind(t, errs[0], fault.OK)
		wantKind(t, errs[1], fault.OK)
		wantSame(t, applied, []store.Applied{{Version: 1}, {Version: 1, Repeat: true}})
	}},
	{"Apply knows a command although the epoch has moved on", func(t *testing.T, s store.Driver) {
		tr, newer := Step("a", 0, 1), Step("a", 1, 1)
		newer.Epoch = 9
		mustApply(t, s, tr, newer)
		applied, err := Apply(s, tr)
		wantKind(t, err, fault.OK)
		wantSame(t, applied, store.Applied{Version: 1, Repeat: true})
	}},
	{"Apply remembers the last 64 commands", func(t *testing.T, s store.Driver) {
		var all []event.Transition
		for i := range 200 {
			all = append(all, Step("a", event.Seq(i), 1))
		}
		mustApply(t, s, all...)
		for i := len(all) - store.RememberedCommands; i < len(all); i++ {
			applied, err := Apply(s, all[i])
			wantKind(t, err, fault.OK)
			wantSame(t, applied, store.Applied{Version: event.Seq(i + 1), Repeat: true})
		}
	}},
	{"Apply does not remember a refused command", func(t *testing.T, s store.Driver) {
		mustApply(t, s, Step("a", 0, 1))
		tr := Step("a", 4, 1)
		_, err := Apply(s, tr)
		wantKind(t, err, fault.Conflict)
		tr.IfVersion = 1
		tr.Events = []event.Event{Event("a", 2)}
		applied, err := Apply(s, tr)
		wantKind(t, err, fault.OK)
		wantSame(t, applied, store.Applied{Version: 2})
	}},
	{"Commands of different jobs do not meet", func(t *testing.T, s store.Driver) {
		a, b := Step("a", 0, 1), Step("b", 0, 1)
		b.Command = a.Command
		mustApply(t, s, a)
		applied, err := Apply(s, b)
		wantKind(t, err, fault.OK)
		wantSame(t, applied, store.Applied{Version: 1})
	}},
}
