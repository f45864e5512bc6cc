package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/store"
)

func timer(key string, at time.Duration) event.Timer {
	return event.Timer{Key: key, Due: Epoch0.Add(at), Name: "retry", Node: "n"}
}

// timed is a Step with timers.
func timed(job event.JobID, after event.Seq, timers ...event.Timer) event.Transition {
	tr := Step(job, after, 1)
	tr.Put = timers
	return tr
}

func keys(due []store.DueTimer) []string {
	var out []string
	for _, d := range due {
		out = append(out, string(d.Job)+"/"+d.Timer.Key)
	}
	return out
}

var timerCases = []testCase{
	{"Due returns timers soonest first", func(t *testing.T, s store.Driver) {
		mustApply(t, s, timed("b", 0, timer("late", 9), timer("soon", 1)), timed("a", 0, timer("mid", 5), timer("far", 99)))
		due := mustDue(t, s, store.DueQuery{At: Epoch0.Add(50)})
		wantSame(t, keys(due), []string{"b/soon", "a/mid", "b/late"})
		wantSame(t, due[1], store.DueTimer{Job: "a", Timer: timer("mid", 5)})
	}},
	{"Due includes the very moment", func(t *testing.T, s store.Driver) {
		mustApply(t, s, timed("a", 0, timer("k", 5)))
		wantSame(t, len(mustDue(t, s, store.DueQuery{At: Epoch0.Add(4)})), 0)
		wantSame(t, len(mustDue(t, s, store.DueQuery{At: Epoch0.Add(5)})), 1)
	}},
	{"Due orders equal times by job and key", func(t *testing.T, s store.Driver) {
		mustApply(t, s, timed("b", 0, timer("x", 1), timer("a", 1)), timed("a", 0, timer("z", 1)), timed("a0", 0, timer("q", 1)))
		wantSame(t, keys(mustDue(t, s, store.DueQuery{At: Epoch0.Add(1)})), []string{"a/z", "a0/q", "b/a", "b/x"})
	}},
	{"Due returns at most what was asked for", func(t *testing.T, s store.Driver) {
		var many []event.Timer
		for i := range 150 {
			many = append(many, timer(fmt.Sprintf("k%03d", i), time.Duration(i)))
		}
		mustApply(t, s, timed("a", 0, many...))
		at := Epoch0.Add(time.Hour)
		wantSame(t, len(mustDue(t, s, store.DueQuery{At: at})), 100)
		wantSame(t, keys(mustDue(t, s, store.DueQuery{At: at, Max: 2})), []string{"a/k000", "a/k001"})
		_, err := s.Due(context.Background(), store.DueQuery{At: at, Max: -1})
		wantKind(t, err, fault.Invalid)
	}},
	{"A dropped timer is never due", func(t *testing.T, s store.Driver) {
		drop := Step("a", 1, 1)
		drop.Drop = []string{"k", "never set"}
		mustApply(t, s, timed("a", 0, timer("k", 1), timer("stays", 2)), drop)
		wantSame(t, keys(mustDue(t, s, store.DueQuery{At: Epoch0.Add(9)})), []string{"a/stays"})
	}},
	{"A timer set again moves", func(t *testing.T, s store.Driver) {
		mustApply(t, s, timed("a", 0, timer("k", 1)), timed("a", 1, timer("k", 50)))
		wantSame(t, len(mustDue(t, s, store.DueQuery{At: Epoch0.Add(49)})), 0)
		wantSame(t, keys(mustDue(t, s, store.DueQuery{At: Epoch0.Add(50)})), []string{"a/k"})
	}},
	{"A timer dropped and set in one transition stays", func(t *testing.T, s store.Driver) {
		again := timed("a", 1, timer("k", 7))
		again.Drop = []string{"k"}
		mustApply(t, s, timed("a", 0, timer("k", 1)), again)
		due := mustDue(t, s, store.DueQuery{At: Epoch0.Add(9)})
		wantSame(t, due, []store.DueTimer{{Job: "a", Timer: timer("k", 7)}})
	}},
	{"A timer set twice in one transition is the last one", func(t *testing.T, s store.Driver) {
		mustApply(t, s, timed("a", 0, timer("k", 1), timer("k", 8)))
		wantSame(t, mustDue(t, s, store.DueQuery{At: Epoch0.Add(9)}), []store.DueTimer{{Job: "a", Timer: timer("k", 8)}})
	}},
	{"A timer set and dropped in one batch is gone", func(t *testing.T, s store.Driver) {
		drop := Step("a", 1, 1)
		drop.Drop = []string{"k"}
		s.Apply(context.Background(), []event.Transition{timed("a", 0, timer("k", 1)), drop})
		wantSame(t, len(mustDue(t, s, store.DueQuery{At: Epoch0.Add(9)})), 0)
	}},
	{"Timers of the same key in two jobs do not meet", func(t *testing.T, s store.Driver) {
		drop := Step("a", 1, 1)
		drop.Drop = []string{"k"}
		mustApply(t, s, timed("a", 0, timer("k", 1)), timed("b", 0, timer("k", 1)), drop)
		wantSame(t, keys(mustDue(t, s, store.DueQuery{At: Epoch0.Add(9)})), []string{"b/k"})
	}},
	{"Timer keys may hold any byte", func(t *testing.T, s store.Driver) {
		odd := []event.Timer{timer("\x00", 1), timer("\x00\xff", 2), timer("é/..", 3)}
		drop := Step("a", 1, 1)
		drop.Drop = []string{"\x00"}
		mustApply(t, s, timed("a", 0, odd...), drop)
		wantSame(t, keys(mustDue(t, s, store.DueQuery{At: Epoch0.Add(9)})), []string{"a/\x00\xff", "a/é/.."})
	}},
}

func permit(key, holder string, slots int) event.Permit {
	return event.Permit{Key: key, Holder: holder, Slots: slots}
}

func mustPermits(t *testing.T, s store.Driver, key string) []event.Permit {
	t.Helper()
	r, ok := s.(store.PermitReader)
	if !ok {
		t.Fatalf("%T does not implement store.PermitReader", s)
	}
	got, err := r.Permits(context.Background(), key)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

var permitCases = []testCase{
	{"Permits are the holders of a key over all jobs", func(t *testing.T, s store.Driver) {
		a, b := Step("a", 0, 1), Step("b", 0, 1)
		a.Take = []event.Permit{permit("db", "a/n/1", 1), permit("gpu", "a/n/1", 1)}
		b.Take = []event.Permit{permit("db", "b/n/1", 3)}
		mustApply(t, s, a, b)
		wantSame(t, mustPermits(t, s, "db"), []event.Permit{permit("db", "a/n/1", 1), permit("db", "b/n/1", 3)})
	}},
	{"A permit released twice is released", func(t *testing.T, s store.Driver) {
		take, first, second := Step("a", 0, 1), Step("a", 1, 1), Step("a", 2, 1)
		take.Take = []event.Permit{permit("db", "h1", 1), permit("db", "h2", 1)}
		first.Release = []event.Permit{permit("db", "h1", 1)}
		second.Release = first.Release
		mustApply(t, s, take, first, second)
		wantSame(t, mustPermits(t, s, "db"), []event.Permit{permit("db", "h2", 1)})
	}},
	{"A permit taken twice is held once", func(t *testing.T, s store.Driver) {
		first, second := Step("a", 0, 1), Step("a", 1, 1)
		first.Take = []event.Permit{permit("db", "h", 1)}
		second.Take = []event.Permit{permit("db", "h", 2)}
		mustApply(t, s, first, second)
		wantSame(t, mustPermits(t, s, "db"), []event.Permit{permit("db", "h", 2)})
	}},
	{"A permit released and taken in one transition is held", func(t *testing.T, s store.Driver) {
		first, second := Step("a", 0, 1), Step("a", 1, 1)
		first.Take = []event.Permit{permit("db", "h", 1)}
		second.Release, second.Take = first.Take, first.Take
		mustApply(t, s, first, second)
		wantSame(t, mustPermits(t, s, "db"), first.Take)
	}},
	{"Permits of an unknown key are none", func(t *testing.T, s store.Driver) {
		tr := Step("a", 0, 1)
		tr.Take = []event.Permit{permit("db2", "h", 1)}
		mustApply(t, s, tr)
		wantSame(t, len(mustPermits(t, s, "db")), 0)
	}},
}
