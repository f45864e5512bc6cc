package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/store"
)

var readCases = []testCase{
	{"Load returns the last state and summary", func(t *testing.T, s store.Driver) {
		last := Step("a", 2, 1)
		last.Epoch = 3
		last.Summary.Status, last.Summary.Reason = event.JobStateFailed, "exit 3"
		mustApply(t, s, Step("a", 0, 2), last)
		want := last.Summary
		want.Job, want.Version, want.Epoch = "a", 3, 3
		wantSame(t, mustLoad(t, s, "a"), store.Snapshot{
			Summary: want, State: []byte(`{"version":3}`), Version: 3, Epoch: 3,
		})
	}},
	{"Load of an unknown job finds none", func(t *testing.T, s store.Driver) {
		_, err := s.Load(context.Background(), "nobody")
		wantKind(t, err, fault.NotFound)
	}},
	{"Load of an impossible id finds none", func(t *testing.T, s store.Driver) {
		mustApply(t, s, Step("a", 0, 1))
		for _, id := range []event.JobID{"", "a\x00", "a\x00h", "../a", "\xff"} {
			_, err := s.Load(context.Background(), id)
			wantKind(t, err, fault.NotFound)
		}
	}},
	{"Load hands out copies", func(t *testing.T, s store.Driver) {
		mustApply(t, s, Step("a", 0, 1))
		mustLoad(t, s, "a").State[0] = 'X'
		mustEvents(t, s, "a")[0].Data.Inline[0] = 'X'
		wantSame(t, string(mustLoad(t, s, "a").State), `{"version":1}`)
		wantSame(t, mustEvents(t, s, "a"), EventsUpTo("a", 1))
	}},
	{"Load of a job without state gives none", func(t *testing.T, s store.Driver) {
		tr := Step("a", 0, 1)
		tr.State = nil
		mustApply(t, s, tr)
		wantSame(t, len(mustLoad(t, s, "a").State), 0)
	}},
	{"Events begins after a sequence number", func(t *testing.T, s store.Driver) {
		mustApply(t, s, Step("a", 0, 300))
		for _, after := range []event.Seq{0, 1, 127, 128, 255, 256, 299} {
			got, err := s.Events(context.Background(), "a", after, 1000)
			wantKind(t, err, fault.OK)
			wantSame(t, got, EventsUpTo("a", 300)[after:])
		}
	}},
	{"Events returns at most what was asked for", func(t *testing.T, s store.Driver) {
		mustApply(t, s, Step("a", 0, 300))
		for ask, want := range map[int]int{0: 100, 1: 1, 299: 299, 5000: 300} {
			got, err := s.Events(context.Background(), "a", 0, ask)
			wantKind(t, err, fault.OK)
			wantSame(t, got, EventsUpTo("a", 300)[:want])
		}
		_, err := s.Events(context.Background(), "a", 0, -1)
		wantKind(t, err, fault.Invalid)
	}},
	{"Events after the end are none", func(t *testing.T, s store.Driver) {
		mustApply(t, s, Step("a", 0, 2), Step("b", 0, 2))
		for _, after := range []event.Seq{2, 3, 1 << 40, 1<<64 - 1} {
			got, err := s.Events(context.Background(), "a", after, 10)
			wantKind(t, err, fault.OK)
			wantSame(t, len(got), 0)
		}
	}},
	{"Events of an unknown job finds none", func(t *testing.T, s store.Driver) {
		_, err := s.Events(context.Background(), "nobody", 0, 10)
		wantKind(t, err, fault.NotFound)
	}},
	{"Reading with a cancelled context says so", func(t *testing.T, s store.Driver) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := s.Load(ctx, "a")
		wantKind(t, err, fault.Cancelled)
		_, err = s.List(ctx, store.Query{})
		wantKind(t, err, fault.Cancelled)
	}},
	{"Info tells the driver and what an acknowledgement is worth", func(t *testing.T, s store.Driver) {
		info, err := s.Info(context.Background())
		wantKind(t, err, fault.OK)
		if info.Driver == "" || info.Durability == "" || info.ReadOnly != "" {
			t.Errorf("Info = %+v", info)
		}
	}},
}

// submitted is a Step that creates a job at a time with a status.
func submitted(job event.JobID, at time.Duration, status event.JobStatus) event.Transition {
	tr := Step(job, 0, 1)
	tr.Summary.Submitted, tr.Summary.Status = Epoch0.Add(at), status
	return tr
}

func ids(page store.Page) []event.JobID {
	var out []event.JobID
	for _, s := range page.Jobs {
		out = append(out, s.Job)
	}
	return out
}

var listCases = []testCase{
	{"List of an empty store is empty", func(t *testing.T, s store.Driver) {
		wantSame(t, mustList(t, s, store.Query{}), store.Page{})
	}},
	{"List is newest first, then by id", func(t *testing.T, s store.Driver) {
		mustApply(t, s,
			submitted("old", 0, event.JobStateRunning), submitted("new", 2, event.JobStateRunning),
			submitted("z", 1, event.JobStateRunning), submitted("b", 1, event.JobStateRunning))
		wantSame(t, ids(mustList(t, s, store.Query{})), []event.JobID{"new", "b", "z", "old"})
	}},
	{"List shows the last summary", func(t *testing.T, s store.Driver) {
		last := Step("a", 1, 1)
		last.Summary.Status, last.Summary.Reason = event.JobStateCompleted, "quiet"
		mustApply(t, s, Step("a", 0, 1), last)
		page := mustList(t, s, store.Query{})
		wantSame(t, page.Jobs, []event.Summary{mustLoad(t, s, "a").Summary})
	}},
	{"List keeps a job where it was submitted", func(t *testing.T, s store.Driver) {
		moved := Step("a", 1, 1)
		moved.Summary.Submitted = Epoch0.Add(time.Hour)
		mustApply(t, s, submitted("a", 0, event.JobStateRunning), submitted("b", 1, event.JobStateRunning), moved)
		page := mustList(t, s, store.Query{})
		wantSame(t, ids(page), []event.JobID{"b", "a"})
		wantSame(t, page.Jobs[1].Submitted, Epoch0)
		wantSame(t, page.Jobs[1].Version, 2)
	}},
	{"List filters by status", func(t *testing.T, s store.Driver) {
		mustApply(t, s,
			submitted("r", 0, event.JobStateRunning), submitted("f", 1, event.JobStateFailed),
			submitted("c", 2, event.JobStateCompleted))
		got := mustList(t, s, store.Query{Status: []event.JobStatus{event.JobStateFailed, event.JobStateRunning}})
		wantSame(t, ids(got), []event.JobID{"f", "r"})
		got = mustList(t, s, store.Query{Status: []event.JobStatus{event.JobStatePaused}})
		wantSame(t, got, store.Page{})
	}},
	{"List pages without loss or repeat", func(t *testing.T, s store.Driver) {
		var batch []event.Transition
		for i := range 25 {
			batch = append(batch, submitted(event.JobID(fmt.Sprintf("j%02d", i)), time.Duration(i/3), event.JobStateRunning))
		}
		s.Apply(context.Background(), batch)
		whole := ids(mustList(t, s, store.Query{}))
		wantSame(t, len(whole), 25)

		var got []event.JobID
		q := store.Query{Max: 4}
		for range 25 {
			page := mustList(t, s, q)
			got = append(got, ids(page)...)
			if q.After = page.Next; q.After == "" {
				break
			}
		}
		wantSame(t, got, whole)
	}},
	{"List of exactly one page has no next", func(t *testing.T, s store.Driver) {
		mustApply(t, s, submitted("a", 0, event.JobStateRunning), submitted("b", 1, event.JobStateRunning))
		wantSame(t, mustList(t, s, store.Query{Max: 2}).Next, "")
	}},
	{"List goes on after a job that came meanwhile", func(t *testing.T, s store.Driver) {
		mustApply(t, s, submitted("a", 0, event.JobStateRunning), submitted("b", 1, event.JobStateRunning))
		page := mustList(t, s, store.Query{Max: 1})
		mustApply(t, s, submitted("c", 2, event.JobStateRunning))
		wantSame(t, ids(mustList(t, s, store.Query{After: page.Next})), []event.JobID{"a"})
	}},
	{"List returns a hundred unless asked for more", func(t *testing.T, s store.Driver) {
		var batch []event.Transition
		for i := range 120 {
			batch = append(batch, submitted(event.JobID(fmt.Sprintf("j%d", i)), time.Duration(i), event.JobStateRunning))
		}
		s.Apply(context.Background(), batch)
		wantSame(t, len(mustList(t, s, store.Query{}).Jobs), 100)
		wantSame(t, len(mustList(t, s, store.Query{Max: 5000}).Jobs), 120)
	}},
	{"List refuses a broken cursor and a negative size", func(t *testing.T, s store.Driver) {
		for _, q := range []store.Query{{After: "???"}, {After: "AAAA"}, {After: "AAAAAAAAAAAvLi4"}, {Max: -1}} {
			_, err := s.List(context.Background(), q)
			wantKind(t, err, fault.Invalid)
		}
	}},
	{"List orders any time, the zero time last", func(t *testing.T, s store.Driver) {
		none := Step("none", 0, 1)
		none.Summary.Submitted = time.Time{}
		mustApply(t, s, none,
			submitted("before-1970", -100*365*24*time.Hour, event.JobStateRunning),
			submitted("now", 0, event.JobStateRunning))
		wantSame(t, ids(mustList(t, s, store.Query{})), []event.JobID{"now", "before-1970", "none"})
	}},
	{"State is kept byte for byte", func(t *testing.T, s store.Driver) {
		tr := Step("a", 0, 1)
		tr.State = json.RawMessage("{ \"a\" :\t1 }\n")
		mustApply(t, s, tr)
		wantSame(t, string(mustLoad(t, s, "a").State), "{ \"a\" :\t1 }\n")
	}},
}
