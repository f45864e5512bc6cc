package service

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// kinds makes events of some kinds.
func kinds(list ...event.Kind) []event.Event {
	events := make([]event.Event, len(list))
	for i, k := range list {
		events[i].Kind = k
	}
	return events
}

func TestWatch_pagesThroughALongHistory(t *testing.T) {
	s := newStore(t)
	for range 13 {
		s.add(t, "a", event.JobStateRunning, kinds(slices.Repeat([]event.Kind{event.Warning}, 100)...)...)
	}
	var last event.Seq
	for ev, err := range watch(t.Context(), s, "a", 7, false) {
		if err != nil {
			t.Fatal(err)
		}
		if last != 0 && ev.Seq != last+1 {
			t.Fatalf("event %d came after %d", ev.Seq, last)
		}
		last = ev.Seq
	}
	if last != 1300 {
		t.Errorf("last event = %d, want 1300", last)
	}
}

func TestWatch_followsToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t)
		s.add(t, "a", event.JobStateRunning, kinds(event.JobSubmitted)...)

		var got []event.Kind
		done := make(chan error, 1)
		go func() {
			for ev, err := range watch(t.Context(), s, "a", 0, true) {
				if err != nil {
					done <- err
					return
				}
				got = append(got, ev.Kind)
			}
			done <- nil
		}()
		synctest.Wait()
		s.add(t, "a", event.JobStateRunning, kinds(event.JobStarted, event.Warning)...)
		synctest.Wait()
		s.add(t, "a", event.JobStateCompleted, kinds(event.JobCompleted)...)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if len(got) != 4 || got[3] != event.JobCompleted {
			t.Errorf("events = %v", got)
		}
	})
}

func TestWatch_readsNothingWhileNothingHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t)
		s.add(t, "a", event.JobStateRunning, kinds(event.JobSubmitted)...)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			var last error
			for _, err := range watch(ctx, s, "a", 0, true) {
				last = err
			}
			done <- last
		}()
		synctest.Wait()
		before := s.reads.Load()
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := s.reads.Load(); got != before {
			t.Errorf("an idle follower made %d reads", got-before)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("error = %v, want cancelled", err)
		}
	})
}

func TestWatch_endsAtOnceBehindTheEnd(t *testing.T) {
	s := newStore(t)
	s.add(t, "a", event.JobStateFailed, kinds(event.JobSubmitted, event.JobFailed)...)
	for _, after := range []event.Seq{0, 1, 2} {
		n := event.Seq(0)
		for _, err := range watch(t.Context(), s, "a", after, true) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 2-after {
			t.Errorf("after %d came %d events", after, n)
		}
	}
}

func TestWatch_namesAnUnknownJob(t *testing.T) {
	j := NewJobs(Options{Store: newStore(t)})
	for _, id := range []event.JobID{"unknown", "", "../etc", "-x", "A", event.JobID(make([]byte, 100))} {
		for _, err := range j.Watch(t.Context(), id, 0, true) {
			if fault.KindOf(err) != fault.NotFound {
				t.Errorf("Watch(%q) = %v, want not found", id, err)
			}
		}
	}
}
