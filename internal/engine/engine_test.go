package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// want compares and says what differs.
func want[T any](t *testing.T, what string, got, wanted T) {
	t.Helper()
	if d := cmp.Diff(wanted, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// chain is a graph of executors, one after the other.
func chain(ids ...event.NodeID) *bundle.Graph {
	g := &bundle.Graph{ID: "g", Name: "chain " + string(ids[0]), Entrypoints: ids[:1], Concurrency: 4}
	for i, id := range ids {
		g.Nodes = append(g.Nodes, bundle.Node{ID: id, Kind: bundle.Executor, Executor: &bundle.ExecutorConfig{}})
		if i > 0 {
			g.Edges = append(g.Edges, bundle.Edge{ID: event.EdgeID(ids[i-1] + "->" + id), From: ids[i-1], To: id, Type: "*"})
		}
	}
	return g
}

// world is a running engine over a memory.
type world struct {
	*Engine
	t    *testing.T
	mem  *memory
	h    *handle
	stop func()
}

// start runs an engine until the test ends or stop is called.
func start(t *testing.T, mem *memory, r Runner, change ...func(*Options)) *world {
	t.Helper()
	h := newHandle(mem)
	opt := Options{Store: h, Runner: r}
	for _, c := range change {
		c(&opt)
	}
	w := &world{Engine: New(opt), t: t, mem: mem, h: h}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	synctest.Wait()
	w.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(w.stop)
	return w
}

// submit begins a job.
func (w *world) submit(job event.JobID, g *bundle.Graph) {
	w.t.Helper()
	if _, err := w.Submit(context.Background(), Submission{JobID: job, Graph: g, GraphDigest: "sha256:" + g.Name}); err != nil {
		w.t.Fatalf("Submit: %v", err)
	}
}

// wait returns how a job ended.
func (w *world) wait(job event.JobID) event.Summary {
	w.t.Helper()
	s, err := w.Wait(context.Background(), job)
	if err != nil {
		w.t.Fatalf("Wait: %v", err)
	}
	return s
}

// job describes a job.
func (w *world) job(id event.JobID) Job {
	w.t.Helper()
	j, err := w.Job(context.Background(), id)
	if err != nil {
		w.t.Fatalf("Job: %v", err)
	}
	return j
}

// bubble runs a test with a clock of its own.
func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

// echo is a runner that returns the name of its node after a second.
var echo = runnerFunc(func(ctx context.Context, w Work) event.Outcome {
	select {
	case <-time.After(time.Second):
		return says(fmt.Sprintf("%q", w.Node.ID))
	case <-ctx.Done():
		return ended(ctx)
	}
})

func TestEngine_runsAChainWithOneCommitPerHop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := start(t, newMemory(), echo)
		commits := 0
		w.h.after.set(func() error { commits++; return nil })
		w.submit("j", chain("a", "b", "c"))
		want(t, "status", w.wait("j").Status, event.JobStateCompleted)
		want(t, "commits", commits, 4)
		want(t, "result", string(w.job("j").Result.Inline), `{"c":"c"}`)
		want(t, "held", w.job("j").Held, false)
	})
}

func TestSubmit_isIdempotentByCommand(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := start(t, newMemory(), echo)
		sub := Submission{JobID: "j", Graph: chain("a"), GraphDigest: "d", Command: event.CommandID{1}}
		for range 2 {
			s, err := w.Submit(context.Background(), sub)
			if err != nil || s.Job != "j" {
				t.Fatalf("Submit = %v, %v", s, err)
			}
		}
		sub.Command = event.CommandID{2}
		_, err := w.Submit(context.Background(), sub)
		want(t, "kind while it runs", fault.KindOf(err), fault.Exists)
		w.wait("j")
		_, err = w.Submit(context.Background(), sub)
		want(t, "kind after its end", fault.KindOf(err), fault.Exists)
		sub.Command = event.CommandID{1}
		s, err := w.Submit(context.Background(), sub)
		want(t, "repeat after its end", []any{s.Status, err}, []any{event.JobStateCompleted, nil})
	})
}

func TestSubmit_worksWhenTheAnswerOfTheStoreWasLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := start(t, newMemory(), echo)
		w.h.after.set(func() error { w.h.after.set(nothing); return errDown })
		sub := Submission{JobID: "j", Graph: chain("a"), GraphDigest: "d", Command: event.CommandID{1}}
		_, err := w.Submit(context.Background(), sub)
		want(t, "kind", fault.KindOf(err), fault.Unavailable)
		if _, err := w.Submit(context.Background(), sub); err != nil {
			t.Fatal(err)
		}
		want(t, "status", w.wait("j").Status, event.JobStateCompleted)
	})
}

func TestTimers_retryAfterTheirBackoff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var starts []time.Duration
		begin := time.Now()
		r := runnerFunc(func(context.Context, Work) event.Outcome {
			starts = append(starts, time.Since(begin))
			return event.Outcome{Status: event.Failed, Cause: "exit", ExitCode: 1}
		})
		w := start(t, newMemory(), r)
		g := chain("a")
		g.Nodes[0].Executor.Retry = bundle.Retry{MaxAttempts: 4, Backoff: time.Second, MaxBackoff: 3 * time.Second, On: []string{"exit"}}
		w.submit("j", g)
		want(t, "status", w.wait("j").Status, event.JobStateFailed)
		want(t, "starts", starts, []time.Duration{0, time.Second, 3 * time.Second, 6 * time.Second})
		want(t, "timers left", len(w.mem.jobs["j"].timers), 0)
	})
}

func TestCancel_killsAndReturnsWhenNothingRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var running atomic.Int32
		r := runnerFunc(func(ctx context.Context, _ Work) event.Outcome {
			running.Add(1)
			defer running.Add(-1)
			<-ctx.Done()
			time.Sleep(3 * time.Second) // the tree takes its time to go
			return ended(ctx)
		})
		w := start(t, newMemory(), r)
		w.submit("j", chain("a"))
		synctest.Wait()
		if err := w.Cancel(context.Background(), "j", "enough"); err != nil {
			t.Fatal(err)
		}
		want(t, "running", running.Load(), 0)
		want(t, "status", w.job("j").Status, event.JobStateCancelled)
		if err := w.Cancel(context.Background(), "j", "again"); err != nil {
			t.Errorf("second Cancel: %v", err)
		}
	})
}

func TestStop_releasesAttemptsAndResumeGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mem := newMemory()
		w := start(t, mem, echo)
		w.submit("j", chain("a", "b"))
		time.Sleep(1500 * time.Millisecond)
		w.stop()
		_, err := w.Wait(context.Background(), "j")
		want(t, "kind", fault.KindOf(err), fault.Interrupted)
		_, err = w.Submit(context.Background(), Submission{JobID: "k", Graph: chain("a")})
		want(t, "kind", fault.KindOf(err), fault.Unavailable)

		w = start(t, mem, echo)
		time.Sleep(time.Hour)
		j := w.job("j")
		want(t, "status before resume", j.Status, event.JobStateRunning)
		want(t, "pending", strings.Contains(j.Pending[0], "resume it"), true)
		if err := w.Resume(context.Background(), "j"); err != nil {
			t.Fatal(err)
		}
		want(t, "status", w.wait("j").Status, event.JobStateCompleted)
		want(t, "attempts", kinds(mem.history("j"), event.AttemptStarted, event.AttemptReleased, event.AttemptLost),
			[]string{"attempt.started a 1", "attempt.started b 1", "attempt.released b 1", "attempt.started b 1"})
	})
}

// kinds lists the events of some kinds as "kind node attempt".
func kinds(history []event.Event, keep ...event.Kind) []string {
	var out []string
	for _, ev := range history {
		for _, k := range keep {
			if ev.Kind == k {
				out = append(out, fmt.Sprintf("%s %s %d", ev.Kind, ev.Node, ev.Attempt))
			}
		}
	}
	return out
}

func TestResume_fencesTheEarlierOwner(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mem := newMemory()
		old := start(t, mem, echo)
		old.submit("j", chain("a", "b"))
		time.Sleep(500 * time.Millisecond)
		young := start(t, mem, echo)
		if err := young.Resume(context.Background(), "j"); err != nil {
			t.Fatal(err)
		}
		want(t, "status", young.wait("j").Status, event.JobStateCompleted)
		old.wait("j")
		want(t, "successes", kinds(mem.history("j"), event.AttemptSucceeded, event.AttemptLost),
			[]string{"attempt.lost a 1", "attempt.succeeded a 1", "attempt.succeeded b 1"})
	})
}

func TestPause_holdsAndResumeGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := start(t, newMemory(), echo)
		w.submit("j", chain("a", "b"))
		synctest.Wait()
		if err := w.Pause(context.Background(), "j", true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		want(t, "status", w.job("j").Status, event.JobStatePaused)
		want(t, "pending", w.job("j").Pending[0], "the job is paused: resume it to go on")
		if err := w.Resume(context.Background(), "j"); err != nil {
			t.Fatal(err)
		}
		want(t, "status", w.wait("j").Status, event.JobStateCompleted)
		want(t, "attempts", kinds(w.mem.history("j"), event.AttemptReleased), []string{"attempt.released a 1"})
	})
}

func TestSlots_areSharedFairly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var now, peak atomic.Int32
		r := runnerFunc(func(ctx context.Context, w Work) event.Outcome {
			peak.Store(max(peak.Load(), now.Add(1)))
			defer now.Add(-1)
			o := echo(ctx, w)
			if w.Node.ID == "loop" && w.Invocation < 50 {
				o.Emit = []event.Emit{{Type: "again", To: "loop"}}
			}
			return o
		})
		w := start(t, newMemory(), r, func(o *Options) { o.MaxConcurrent = 2 })
		for _, job := range []event.JobID{"x", "y"} {
			g := chain("loop")
			g.Name = string(job)
			w.submit(job, g)
		}
		w.submit("z", chain("a"))
		want(t, "status", w.wait("z").Status, event.JobStateCompleted)
		for _, job := range []event.JobID{"x", "y"} {
			if n := w.job(job).Nodes[0].Succeeded; n > 2 {
				t.Errorf("job %s had %d turns before z had one", job, n)
			}
		}
		for _, job := range []event.JobID{"x", "y"} {
			want(t, "status", w.wait(job).Status, event.JobStateCompleted)
		}
		want(t, "peak", peak.Load(), 2)
	})
}

func TestCommit_isRepeatedUntilTheStoreTakesIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		runs := 0
		r := runnerFunc(func(ctx context.Context, w Work) event.Outcome { runs++; return echo(ctx, w) })
		w := start(t, newMemory(), r)
		w.submit("j", chain("a", "b"))
		full := time.Now().Add(time.Minute)
		w.h.before.set(func() error {
			if time.Now().Before(full) {
				return fault.New(fault.Exhausted, "disk full")
			}
			return nil
		})
		err := w.Cancel(context.Background(), "j", "")
		want(t, "kind of a command while full", fault.KindOf(err), fault.Exhausted)
		want(t, "status", w.wait("j").Status, event.JobStateCompleted)
		want(t, "runs", runs, 2)
	})
}

func TestChanged_wakesAtEachCommit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := start(t, newMemory(), echo)
		w.submit("j", chain("a", "b"))
		var after event.Seq
		var seen []event.Seq
		for {
			v, err := w.Changed(context.Background(), "j", after)
			if err != nil {
				t.Fatal(err)
			}
			if v == after {
				break
			}
			after = v
			seen = append(seen, v)
		}
		want(t, "lengths", seen, []event.Seq{4, 7, 9})
	})
}

func TestOutcome_malformedIsAFailure(t *testing.T) {
	rows := map[string]event.Outcome{
		"status":       {Status: "fine"},
		"output":       says("{"),
		"both":         {Status: event.Succeeded, Output: event.Body{Inline: json.RawMessage("1"), Ref: &event.BlobRef{}}},
		"worker event": {Status: event.Succeeded, Events: []event.WorkerEvent{{Type: "x", Payload: json.RawMessage("nope")}}},
	}
	for name, o := range rows {
		t.Run(name, func(t *testing.T) {
			got := checked(o)
			want(t, "status, cause", []string{string(got.Status), got.Cause}, []string{"failed", "control"})
		})
	}
}

func TestWork_carriesWhatTheRunnerNeeds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var got []Work
		r := runnerFunc(func(_ context.Context, w Work) event.Outcome {
			got = append(got, w)
			o := says(`1`)
			o.NextState = json.RawMessage(fmt.Sprintf(`{"n":%d}`, w.Invocation))
			if w.Invocation == 1 {
				o.Emit = []event.Emit{{Type: "again", To: "a", Correlation: "c"}}
			}
			return o
		})
		w := start(t, newMemory(), r)
		_, err := w.Submit(context.Background(), Submission{
			JobID: "j", Graph: chain("a"), GraphDigest: "g", BundleDigest: "b", Folder: "/f", Grants: json.RawMessage(`{"x":1}`),
		})
		if err != nil {
			t.Fatal(err)
		}
		w.wait("j")
		want(t, "works", len(got), 2)
		want(t, "state", string(got[1].State), `{"n":1}`)
		want(t, "place", []string{got[1].Folder, got[1].BundleDigest, string(got[1].Grants), got[1].JobName}, []string{"/f", "b", `{"x":1}`, "chain a"})
		want(t, "message", []string{got[1].Message.Type, got[1].Message.Correlation, string(got[1].Message.Causation)},
			[]string{"again", "c", string(got[0].Message.ID)})
	})
}

func TestAbort_failsAJobThatCannotGoOn(t *testing.T) {
	rows := map[string]struct {
		breakIt func(w *world)
		reason  string
	}{
		"a transition that the store refuses": {func(w *world) {
			w.h.before.set(func() error {
				w.h.before.set(nothing)
				return fault.New(fault.Invalid, "too large")
			})
		}, "the engine cannot go on: too large"},
		"a blob that is gone": {
			func(w *world) {
				w.mem.mu.Lock()
				defer w.mem.mu.Unlock()
				clear(w.mem.blobs)
			},
			"the engine cannot go on: read blob: there is no such blob",
		},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := runnerFunc(func(_ context.Context, w Work) event.Outcome {
					if w.Node.ID == "b" {
						time.Sleep(2 * time.Second)
					}
					return says(`"` + strings.Repeat(string(w.Node.ID), event.MaxInline) + `"`)
				})
				w := start(t, newMemory(), r)
				g := chain("a", "b")
				g.Edges, g.Entrypoints = nil, []event.NodeID{"a", "b"}
				w.submit("j", g)
				time.Sleep(time.Second)
				row.breakIt(w)
				want(t, "status", w.wait("j").Status, event.JobStateFailed)
				want(t, "reason", w.job("j").Reason, row.reason)
			})
		})
	}
}

func TestJob_saysThatTheStoreRefuses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := start(t, newMemory(), echo)
		w.submit("j", chain("a"))
		w.h.before.set(func() error { return fault.New(fault.Exhausted, "disk full") })
		time.Sleep(2 * time.Second)
		want(t, "pending", w.job("j").Pending[0], "the last commit failed and is tried again: disk full")
		w.h.before.set(nothing)
		want(t, "status", w.wait("j").Status, event.JobStateCompleted)
	})
}
