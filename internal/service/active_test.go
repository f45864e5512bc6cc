package service

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/grant"
)

// idle calls Idle in the background.
func idle(ctx context.Context, j *Jobs, linger time.Duration) <-chan error {
	done := make(chan error, 1)
	go func() { done <- j.Idle(ctx, linger) }()
	return done
}

func resumeJob(t *testing.T, j *Jobs, id event.JobID) {
	t.Helper()
	if _, err := j.Resume(t.Context(), id, nil); err != nil {
		t.Fatal(err)
	}
}

func newJobs() (*Jobs, *fakeEngine) {
	e := newEngine()
	return NewJobs(Options{Engine: e, Secrets: new(grant.Secrets), State: "/state"}), e
}

func TestIdle_waitsForEveryJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, e := newJobs()
		resumeJob(t, j, "a")
		resumeJob(t, j, "b")
		done := idle(t.Context(), j, 0)

		e.end("a")
		synctest.Wait()
		if len(done) != 0 || j.Running() != 1 {
			t.Fatalf("idle with %d jobs", j.Running())
		}
		e.end("b")
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		j.Close()
	})
}

func TestIdle_takesNoJobAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, _ := newJobs()
		if err := j.Idle(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if _, err := j.Resume(t.Context(), "a", nil); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("Resume = %v, want unavailable", err)
		}
	})
}

func TestIdle_lingersForTheFirstJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, e := newJobs()
		done := idle(t.Context(), j, time.Minute)
		time.Sleep(59 * time.Second)
		resumeJob(t, j, "a")
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(done) != 0 {
			t.Fatal("idle with a job")
		}
		e.end("a")
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if len(done) != 0 {
			t.Fatal("idle too early")
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

func TestIdle_endsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, e := newJobs()
		resumeJob(t, j, "a")
		why := errors.New("why")
		ctx, cancel := context.WithCancelCause(t.Context())
		done := idle(ctx, j, 0)
		cancel(why)
		if err := <-done; !errors.Is(err, why) {
			t.Errorf("Idle = %v, want why", err)
		}
		e.end("a")
	})
}

func TestResume_thatFailsIsNotCounted(t *testing.T) {
	j, e := newJobs()
	e.fail = fault.New(fault.Invalid, "it has ended")
	if _, err := j.Resume(t.Context(), "a", nil); fault.KindOf(err) != fault.Invalid {
		t.Errorf("Resume = %v, want invalid", err)
	}
	if j.Running() != 0 {
		t.Errorf("%d jobs run, want none", j.Running())
	}
}

func TestLeave_refusesJobs(t *testing.T) {
	j, _ := newJobs()
	j.Leave()
	if _, err := j.Resume(t.Context(), "a", nil); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("Resume = %v, want unavailable", err)
	}
}
