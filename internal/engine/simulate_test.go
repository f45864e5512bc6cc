package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
)

// schedules is how many seeds the simulation runs.
const schedules = 1500

// TestSimulation_survivesCrashesAtEveryCommit runs small jobs under seeded
// schedules in which the engine dies before or after commits, the store
// refuses commits and hides their answers, and checks what must hold: no
// finished attempt runs again, nothing acknowledged is lost, every job ends.
func TestSimulation_survivesCrashesAtEveryCommit(t *testing.T) {
	n := schedules
	if testing.Short() {
		n /= 10
	}
	for seed := range uint64(n) {
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) { newSimulation(t, seed).run() })
		})
		if !ok {
			t.Fatalf("seed %d breaks it", seed)
		}
	}
}

// TestSimulation_crashAtEachBoundaryOfOneJob walks through the commit
// boundaries of one job in order: a crash before and after each.
func TestSimulation_crashAtEachBoundaryOfOneJob(t *testing.T) {
	for at := range 24 {
		for _, before := range []bool{true, false} {
			t.Run(fmt.Sprintf("commit %d, before %t", at, before), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					s := newSimulation(t, 1)
					s.fault = func(n int, early bool) bool { return n == at && early == before }
					s.run()
				})
			})
		}
	}
}

// simulation is one schedule.
type simulation struct {
	t     *testing.T
	rng   *rand.Rand
	mem   *memory
	graph *bundle.Graph
	jobs  []event.JobID
	fault func(n int, early bool) bool // whether the engine dies around commit n; nil: by chance

	mu      sync.Mutex // guards below
	commits int
	dead    bool // the current engine's process is gone
	crash   chan struct{}
	acked   map[event.JobID]event.Seq
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	rng := rand.New(rand.NewPCG(seed, 7))
	s := &simulation{t: t, rng: rng, mem: newMemory(), acked: map[event.JobID]event.Seq{}, graph: randomGraph(rng)}
	for i := range 1 + rng.IntN(2) {
		s.jobs = append(s.jobs, event.JobID(fmt.Sprintf("j%d", i)))
	}
	return s
}

// randomGraph is a source, workers with and without retries, a gatherer and a sink.
func randomGraph(rng *rand.Rand) *bundle.Graph {
	g := chain("source", "work", "sink")
	g.Concurrency = 1 + rng.IntN(4)
	g.Nodes[1].Concurrency = rng.IntN(3)
	g.Nodes[1].FailurePolicy = []string{"", "continue"}[rng.IntN(2)]
	g.Nodes[1].Executor.Retry = bundle.Retry{MaxAttempts: 1 + rng.IntN(3), Backoff: time.Second, Jitter: 0.5, On: []string{"any"}}
	g.Nodes[0].Executor.NoDefaultOutput = true
	g.Edges[0].Type = "item"
	if rng.IntN(2) == 0 {
		g.Nodes = append(g.Nodes, bundle.Node{ID: "gather", Kind: bundle.Aggregator, Aggregator: &bundle.AggregatorConfig{CompleteAfter: rng.IntN(3)}})
		g.Edges[1].To = "gather"
		g.Edges = append(g.Edges, bundle.Edge{ID: "gather->sink", From: "gather", To: "sink", Type: "*"})
	}
	return g
}

// chance reports true once in n times. The goroutines of a bubble that run at
// the same moment may draw in any order: a seed makes a schedule likely, not
// certain, and every schedule must hold.
func (s *simulation) chance(n int) bool { return s.roll(n) == 0 }

// roll draws a number below n.
func (s *simulation) roll(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.IntN(n)
}

// run drives the jobs through crashes until they have all ended.
func (s *simulation) run() {
	submitted := map[event.JobID]bool{}
	for life := 0; ; life++ {
		if life > 60 {
			s.t.Fatalf("jobs have not ended after %d lives", life)
		}
		if life > 20 {
			s.fault = func(int, bool) bool { return false }
		}
		if s.live(submitted) {
			break
		}
	}
	for _, job := range s.jobs {
		s.check(job)
	}
}

// live is one process: an engine from its start to its crash. It reports
// whether all jobs have ended.
func (s *simulation) live(submitted map[event.JobID]bool) bool {
	s.mu.Lock()
	s.dead, s.crash = false, make(chan struct{})
	crash := s.crash
	s.mu.Unlock()

	h := newHandle(s.mem)
	h.before.set(s.door(true))
	h.after.set(s.door(false))
	e := New(Options{Store: h, Runner: runnerFunc(s.attempt), MaxConcurrent: 1 + s.roll(4)})
	ctx, cancel := context.WithCancel(context.Background())
	quiet := make(chan struct{})
	go func() { defer close(quiet); e.Run(ctx) }()
	synctest.Wait()

	done := make(chan bool)
	go func() { done <- s.user(ctx, e, submitted) }()
	ended := false
	select {
	case ended = <-done:
		cancel()
	case <-crash:
		cancel()
		<-done
	}
	<-quiet
	return ended
}

// user submits what is not on record, resumes the rest and waits.
func (s *simulation) user(ctx context.Context, e *Engine, submitted map[event.JobID]bool) bool {
	for i, job := range s.jobs {
		if submitted[job] {
			e.Resume(ctx, job)
			continue
		}
		sub := Submission{JobID: job, Graph: s.graph, GraphDigest: "g", Command: event.CommandID{byte(i + 1)}}
		sum, err := e.Submit(ctx, sub)
		if err == nil {
			submitted[job] = true
			s.ack(job, sum.Version)
		}
	}
	if s.chance(4) {
		s.meddle(ctx, e)
	}

	all := true
	for _, job := range s.jobs {
		sum, err := e.Wait(ctx, job)
		all = all && err == nil && sum.Status.Terminal()
	}
	return all
}

// meddle pauses a job for a while, or cancels it.
func (s *simulation) meddle(ctx context.Context, e *Engine) {
	job := s.jobs[0]
	time.Sleep(time.Duration(s.roll(3000)) * time.Millisecond)
	if s.chance(3) {
		e.Cancel(ctx, job, "meddled")
		return
	}
	e.Pause(ctx, job, s.chance(2)) // an error may hide that it was done
	time.Sleep(time.Minute)
	for try := 0; e.Resume(ctx, job) != nil && ctx.Err() == nil && try < 100; try++ {
		time.Sleep(time.Second)
	}
}

// ack remembers what the user was promised.
func (s *simulation) ack(job event.JobID, v event.Seq) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked[job] = max(s.acked[job], v)
}

// door is the hook before or after a commit: a dead process commits nothing,
// a living one may die here or have trouble with its store.
func (s *simulation) door(early bool) func() error {
	return func() error {
		time.Sleep(time.Millisecond)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.dead {
			return errDown
		}
		n := s.commits
		if !early {
			s.commits++
		}
		die := s.fault == nil && s.rng.IntN(12) == 0
		if s.fault != nil {
			die = s.fault(n, early)
		}
		if die {
			s.dead = true
			close(s.crash)
			return errDown
		}
		if s.fault == nil && s.rng.IntN(10) == 0 {
			return errDown
		}
		return nil
	}
}

// attempt is the worker: it must not run for a message that is on record as
// finished.
func (s *simulation) attempt(ctx context.Context, w Work) event.Outcome {
	for _, ev := range s.mem.history(w.Job) {
		if ev.Kind == event.AttemptSucceeded && ev.Message == w.Message.ID {
			s.t.Errorf("node %s handles message %s again, which is finished at %d", w.Node.ID, w.Message.ID, ev.Seq)
		}
	}
	took := time.Duration(s.roll(2000)) * time.Millisecond
	s.mu.Lock()
	dead := s.dead
	s.mu.Unlock()
	if dead {
		return event.Outcome{Status: event.Released}
	}
	select {
	case <-time.After(took):
	case <-ctx.Done():
		return ended(ctx)
	}
	if w.Node.ID == "work" && s.chance(4) {
		return event.Outcome{Status: event.Failed, Cause: "exit", ExitCode: 1, Reason: "bad luck"}
	}
	o := says(fmt.Sprintf("%q", w.Message.ID))
	if w.Node.ID == "source" {
		for range 4 {
			o.Emit = append(o.Emit, event.Emit{Type: "item", Body: o.Output})
		}
	}
	return o
}

// check verifies the record of a job that has ended.
func (s *simulation) check(job event.JobID) {
	history := s.mem.history(job)
	if v := event.Seq(len(history)); v < s.acked[job] {
		s.t.Errorf("job %s has %d events, %d were acknowledged", job, v, s.acked[job])
	}
	finished := map[event.MessageID]event.Seq{}
	starts := map[event.Epoch]bool{}
	for i, ev := range history {
		if ev.Seq != event.Seq(i+1) {
			s.t.Errorf("event %d has number %d", i+1, ev.Seq)
		}
		if at := finished[ev.Message]; at != 0 && (ev.Kind == event.AttemptStarted || ev.Kind == event.AttemptSucceeded) {
			s.t.Errorf("%s of message %s at %d after its success at %d", ev.Kind, ev.Message, ev.Seq, at)
		}
		switch ev.Kind {
		case event.AttemptSucceeded:
			finished[ev.Message] = ev.Seq
		case event.AttemptStarted:
			if starts[ev.Epoch] {
				s.t.Errorf("two attempts have epoch %d", ev.Epoch)
			}
			starts[ev.Epoch] = true
		}
	}
	if err := s.last(job, history); err != nil {
		s.t.Error(err)
	}
}

// last checks that a job ends once, and that a completed one delivered all.
func (s *simulation) last(job event.JobID, history []event.Event) error {
	if len(history) == 0 {
		return fmt.Errorf("job %s has no history", job)
	}
	delivered, handled := 0, 0
	for _, ev := range history {
		switch ev.Kind {
		case event.MessageDelivered:
			if ev.Node != "gather" {
				delivered++
			}
		case event.AttemptSucceeded, event.MessageDead:
			handled++
		}
	}
	switch kind := history[len(history)-1].Kind; {
	case kind == event.JobCompleted && delivered != handled:
		return fmt.Errorf("job %s completed with %d messages delivered and %d handled", job, delivered, handled)
	case kind == event.JobCompleted, kind == event.JobFailed, kind == event.JobCancelled:
		return nil
	}
	return errors.New("the last event does not end the job")
}
