package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/store"
)

const racers = 16

// each runs f in racers goroutines that begin together and waits for all.
func each(f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range racers {
		wg.Go(func() { <-start; f(i) })
	}
	close(start)
	wg.Wait()
}

var raceCases = []testCase{
	{"Of many that race for a version one wins", func(t *testing.T, s store.Driver) {
		mustApply(t, s, Step("a", 0, 1))
		for round := range 30 {
			after := event.Seq(round + 1)
			errs := make([]error, racers)
			each(func(i int) { _, errs[i] = Apply(s, Step("a", after, 1)) })
			wins := 0
			for _, err := range errs {
				if err == nil {
					wins++
				} else {
					wantKind(t, err, fault.Conflict)
				}
			}
			wantSame(t, wins, 1)
		}
		wantSame(t, mustEvents(t, s, "a"), EventsUpTo("a", 31))
	}},
	{"Of many that create a job one wins", func(t *testing.T, s store.Driver) {
		for round := range 20 {
			job := event.JobID(fmt.Sprintf("job-%d", round))
			errs := make([]error, racers)
			each(func(i int) { _, errs[i] = Apply(s, Step(job, 0, 1)) })
			wantSame(t, len(slices.DeleteFunc(errs, func(err error) bool { return err != nil })), 1)
		}
	}},
	{"One command sent by many happens once", func(t *testing.T, s store.Driver) {
		mustApply(t, s, Step("a", 0, 1))
		tr := Step("a", 1, 1)
		var mu sync.Mutex
		first := 0
		each(func(int) {
			applied, err := Apply(s, tr)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || applied.Version != 2 {
				t.Errorf("Apply = %+v, %v", applied, err)
			}
			if !applied.Repeat {
				first++
			}
		})
		wantSame(t, first, 1)
	}},
	{"Writers that reload on conflict lose no step", func(t *testing.T, s store.Driver) {
		mustApply(t, s, Step("a", 0, 1))
		each(func(int) {
			for done := 0; done < 10; {
				snap, err := s.Load(context.Background(), "a")
				if err != nil {
					t.Errorf("load: %v", err)
					return
				}
				if _, err := Apply(s, Step("a", snap.Version, 1)); err == nil {
					done++
				} else if fault.KindOf(err) != fault.Conflict {
					t.Errorf("apply: %v", err)
					return
				}
			}
		})
		wantSame(t, mustEvents(t, s, "a"), EventsUpTo("a", 1+10*racers))
	}},
	{"Writers of different jobs do not disturb each other", func(t *testing.T, s store.Driver) {
		each(func(i int) {
			job := event.JobID(fmt.Sprintf("job-%d", i))
			for v := range 20 {
				if _, err := Apply(s, Step(job, event.Seq(v), 1)); err != nil {
					t.Errorf("%s after %d: %v", job, v, err)
				}
			}
		})
		for i := range racers {
			job := event.JobID(fmt.Sprintf("job-%d", i))
			wantSame(t, mustEvents(t, s, job), EventsUpTo(job, 20))
		}
	}},
	{"Readers see whole transitions and never go back", func(t *testing.T, s store.Driver) {
		mustApply(t, s, Step("a", 0, 2))
		each(func(i int) {
			if i == 0 {
				for v := event.Seq(2); v < 200; v += 2 {
					if _, err := Apply(s, Step("a", v, 2)); err != nil {
						t.Errorf("apply: %v", err)
					}
				}
				return
			}
			var last event.Seq
			for last < 200 && !t.Failed() {
				last = readerStep(t, s, last)
			}
		})
	}},
	{"Close while others work harms nobody", func(t *testing.T, s store.Driver) {
		each(func(i int) {
			if i == 0 {
				wantKind(t, s.Close(), fault.OK)
				return
			}
			job := event.JobID(fmt.Sprintf("job-%d", i))
			for v := range 20 {
				_, err := Apply(s, Step(job, event.Seq(v), 1))
				if err != nil {
					wantKind(t, err, fault.Unavailable)
					return
				}
				if _, err := s.Load(context.Background(), job); err != nil {
					wantKind(t, err, fault.Unavailable)
				}
			}
		})
	}},
}

// readerStep loads job a and checks that state, version and events agree.
func readerStep(t *testing.T, s store.Driver, last event.Seq) event.Seq {
	snap, err := s.Load(context.Background(), "a")
	if err != nil {
		t.Errorf("load: %v", err)
		return last
	}
	if snap.Version < last || snap.Version%2 != 0 || string(snap.State) != fmt.Sprintf(`{"version":%d}`, snap.Version) {
		t.Errorf("after version %d: version %d with state %s", last, snap.Version, snap.State)
	}
	tail, err := s.Events(context.Background(), "a", snap.Version-1, 1)
	if err != nil || len(tail) != 1 || tail[0].Seq != snap.Version {
		t.Errorf("event %d: %v, %v", snap.Version, tail, err)
	}
	return snap.Version
}
