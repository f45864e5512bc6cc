package decide

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

func TestRetries(t *testing.T) {
	yes, no := true, false
	rows := []struct {
		name    string
		on      []string
		outcome event.Outcome
		want    bool
	}{
		{"default: plain exit is not retried", nil, event.Outcome{Cause: "exit", ExitCode: 1}, false},
		{"default: timeout", nil, event.Outcome{Cause: "timeout"}, true},
		{"default: start", nil, event.Outcome{Cause: "start"}, true},
		{"default: the worker says retryable", nil, event.Outcome{Cause: "worker", Retryable: &yes}, true},
		{"default: the worker does not say", nil, event.Outcome{Cause: "worker"}, false},
		{"exit", []string{"exit"}, event.Outcome{Cause: "exit", ExitCode: 9}, true},
		{"exit with another code", []string{"exit:7"}, event.Outcome{Cause: "exit", ExitCode: 9}, false},
		{"exit with the code", []string{"exit:9"}, event.Outcome{Cause: "exit", ExitCode: 9}, true},
		{"exit:0 is not a success by fail", []string{"exit:0"}, event.Outcome{Cause: "worker"}, false},
		{"any", []string{"any"}, event.Outcome{Cause: "control"}, true},
		{"the worker's no wins", []string{"any"}, event.Outcome{Cause: "worker", Retryable: &no}, false},
		{"another cause", []string{"signal", "limit"}, event.Outcome{Cause: "exit"}, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got := retries(bundle.Retry{MaxAttempts: 2, On: row.on}, 1, &row.outcome)
			want(t, "retries", got, row.want)
		})
	}
	want(t, "after the last attempt", retries(bundle.Retry{MaxAttempts: 2, On: []string{"any"}}, 2, &event.Outcome{Cause: "exit"}), false)
	want(t, "without a policy", retries(bundle.Retry{}, 1, &event.Outcome{Cause: "timeout"}), false)
}

func TestBackoff(t *testing.T) {
	second := time.Second
	rows := []struct {
		name   string
		r      bundle.Retry
		number int
		random float64
		want   time.Duration
	}{
		{"default", bundle.Retry{}, 1, 0, 500 * time.Millisecond},
		{"doubled", bundle.Retry{Backoff: second}, 3, 0, 4 * second},
		{"capped", bundle.Retry{Backoff: second, MaxBackoff: 3 * second}, 9, 0, 3 * second},
		{"far beyond the cap", bundle.Retry{Backoff: second}, 1000, 0, 30 * second},
		{"a longer backoff than the default cap", bundle.Retry{Backoff: time.Hour}, 2, 0, time.Hour},
		{"jitter takes away", bundle.Retry{Backoff: second, Jitter: 0.5}, 1, 0, second / 2},
		{"jitter gives back", bundle.Retry{Backoff: second, Jitter: 0.5}, 1, 0.5, 3 * second / 4},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			want(t, "backoff", backoff(row.r, row.number, row.random), row.want)
		})
	}
}

func TestRetry_waitsForItsTimerAndKeepsTheOrder(t *testing.T) {
	b := exec("b", retry(bundle.Retry{MaxAttempts: 3, Backoff: time.Second, On: []string{"exit"}}))
	j := newJob(t, graph([]bundle.Node{exec("a"), b}, "a->b:m"))
	j.end("a", emits("m", "m"))
	j.end("b", failure("exit"))
	want(t, "running", j.running(), []string(nil))
	want(t, "timers", len(j.last.Put), 1)
	want(t, "due", j.s.Due(), epoch0.Add(time.Second))

	j.do(Tick{})
	want(t, "events before it is due", len(j.last.Events), 0)
	j.now = epoch0.Add(time.Second)
	j.do(Tick{})
	want(t, "running", j.running(), []string{"b#2"})
	want(t, "dropped", j.last.Drop, []string{j.timer("b")})
	want(t, "body", string(j.s.Running()[0].Item.Message.Body.Inline), `{"n":0}`)
}

// timer is the key of the retry timer of the first message of a node.
func (j *job) timer(node event.NodeID) string {
	for i := range j.s.Nodes {
		if j.s.Nodes[i].ID == node {
			return timerKey(node, j.s.Nodes[i].Queue[0].Message.ID)
		}
	}
	return ""
}

func TestFailure_failsTheJobWithItsReport(t *testing.T) {
	j := newJob(t, graph([]bundle.Node{exec("a"), exec("b"), exec("c")}, "a->b:*", "a->c:*"))
	j.end("a", event.Outcome{Output: body("1")})
	o := failure("exit")
	o.Report = &event.Report{Layer: "native", Denials: []event.Denial{{Operation: "open"}}}
	o.Events = []event.WorkerEvent{{Type: "discarded"}}
	j.end("b", o)
	want(t, "status", j.s.Status, event.JobStateFailed)
	want(t, "reason", j.s.Reason, "node b failed: exit happened")
	want(t, "layer in the report", j.s.Failure.End.Report.Layer, "native")
	want(t, "worker events", len(j.kinds(event.Worker)), 0)
	last := j.all[len(j.all)-1]
	want(t, "last event", last.Kind, event.JobFailed)
	want(t, "released", j.kinds(event.AttemptReleased), []string{"attempt.released c"})
}

func TestFailure_goesAlongEdgesThatAcceptIt(t *testing.T) {
	j := newJob(t, graph([]bundle.Node{exec("a"), exec("b"), exec("c")}, "a->b:*", "b->c:* failed"))
	j.end("a", event.Outcome{Output: body(`{"in":1}`)})
	j.end("b", failure("exit"))
	want(t, "running", j.running(), []string{"c#1"})
	m := j.s.Running()[0].Item.Message
	want(t, "body", string(m.Body.Inline), `{"in":1}`)
	want(t, "failure", *m.Failure, event.Failure{Node: "b", Attempt: 1, Cause: "exit", Reason: "exit happened"})
	j.end("c", event.Outcome{Output: body("2")})
	want(t, "status", j.s.Status, event.JobStateCompleted)
}

func TestFailure_continuePolicyLeavesADeadMessage(t *testing.T) {
	b := exec("b", func(n *bundle.Node) { n.FailurePolicy = "continue" })
	j := newJob(t, graph([]bundle.Node{exec("a"), b}, "a->b:m"))
	j.end("a", emits("m", "m"))
	j.end("b", failure("exit"))
	want(t, "dead", j.kinds(event.MessageDead), []string{"message.dead b"})
	j.end("b", event.Outcome{Output: body("2")})
	want(t, "result", j.result(), `{"b":2}`)
}

func TestLost_keepsTheMessageAtTheHeadUntilTheBudgetIsSpent(t *testing.T) {
	j := newJob(t, graph([]bundle.Node{exec("a", retry(bundle.Retry{MaxAttempts: 1}))}))
	for i := 1; i <= CrashBudget; i++ {
		if err := j.try(Input{Do: Resume{}, Adopt: true}); err != nil {
			t.Fatal(err)
		}
		it := j.s.Running()[0].Item
		want(t, "number, lost", []int{it.Number, it.Lost}, []int{1, i})
		want(t, "epoch of the job", j.s.Epoch, event.Epoch(1+i))
		want(t, "epoch of the attempt", it.Epoch, event.Epoch(1+i))
	}
	if err := j.try(Input{Do: Resume{}, Adopt: true}); err != nil {
		t.Fatal(err)
	}
	want(t, "status", j.s.Status, event.JobStateFailed)
	want(t, "cause", j.s.Failure.Cause, "lost")
}

func TestStaleOutcome_hasNoEffect(t *testing.T) {
	j := newJob(t, graph([]bundle.Node{exec("a")}))
	stale := j.done("a", event.Outcome{Output: body("1")})
	if err := j.try(Input{Do: Resume{}, Adopt: true}); err != nil {
		t.Fatal(err)
	}
	j.do(Complete{[]Done{stale}})
	want(t, "events", len(j.last.Events), 0)
	want(t, "running", j.running(), []string{"a#1"})
}

func TestCompleteRun_firstOneWins(t *testing.T) {
	j := newJob(t, graph([]bundle.Node{exec("a"), exec("b"), exec("c")}, "a->b:*", "a->c:*"))
	j.end("a", event.Outcome{Output: body("1")})
	first, second := body(`"b"`), body(`"c"`)
	ends := []Done{
		j.done("b", event.Outcome{CompleteRun: &first, Emit: []event.Emit{{Type: "m"}}}),
		j.done("c", event.Outcome{CompleteRun: &second}),
	}
	j.do(Complete{ends})
	want(t, "result", j.result(), `"b"`)
	want(t, "ends", j.kinds(event.JobCompleted, event.AttemptReleased, event.Warning), []string{"warning b", "attempt.released c", "job.completed b"})
	j.do(Complete{ends[1:]})
	want(t, "later events", len(j.last.Events), 0)
}

func TestCancel_waitsUntilTheAttemptsAreGone(t *testing.T) {
	j := newJob(t, graph([]bundle.Node{exec("a"), exec("b")}, "a->b:*"))
	j.do(Cancel{Reason: "enough"})
	want(t, "status", j.s.Status, event.JobStateCancelling)
	want(t, "epoch", j.s.Epoch, event.Epoch(2))
	j.do(Cancel{})
	want(t, "events of a repeat", len(j.last.Events), 0)
	j.end("a", event.Outcome{Output: body("1")})
	want(t, "status", j.s.Status, event.JobStateCancelled)
	want(t, "reason", j.s.Reason, "enough")
	want(t, "succeeded", j.kinds(event.AttemptSucceeded), []string(nil))
}

func TestCommands_areRefusedAfterTheEnd(t *testing.T) {
	j := newJob(t, graph([]bundle.Node{exec("a")}))
	j.end("a", event.Outcome{})
	for _, a := range []Action{Cancel{}, Pause{}, Resume{}} {
		t.Run(fmt.Sprintf("%T", a), func(t *testing.T) {
			want(t, "kind", fault.KindOf(j.try(Input{Do: a})), fault.Invalid)
		})
	}
	j.do(Tick{})
	want(t, "events", len(j.last.Events), 0)
}

func TestPause_letsAttemptsFinishAndHoldsTimers(t *testing.T) {
	b := exec("b", retry(bundle.Retry{MaxAttempts: 2, On: []string{"any"}}))
	j := newJob(t, graph([]bundle.Node{exec("a"), b, exec("c")}, "a->b:*", "a->c:*"))
	j.end("a", event.Outcome{Output: body("1")})
	j.end("b", failure("exit"))
	j.do(Pause{})
	j.end("c", event.Outcome{Output: body("2")})
	want(t, "due", j.s.Due(), time.Time{})
	j.now = j.now.Add(time.Hour)
	j.do(Tick{})
	want(t, "running", j.running(), []string(nil))
	want(t, "status", j.s.Status, event.JobStatePaused)
	j.do(Resume{})
	want(t, "running", j.running(), []string{"b#2"})
}

func TestPause_withKillDoesNotCountTheAttempt(t *testing.T) {
	j := newJob(t, graph([]bundle.Node{exec("a")}))
	j.do(Pause{Kill: true})
	want(t, "kill", j.s.Kill, true)
	j.end("a", event.Outcome{Status: event.Released, Reason: "paused"})
	j.do(Resume{})
	want(t, "running", j.running(), []string{"a#1"})
	want(t, "released", j.kinds(event.AttemptReleased), []string{"attempt.released a"})
}

func TestPending_saysWhyEachThingWaits(t *testing.T) {
	b := exec("b", retry(bundle.Retry{MaxAttempts: 2, On: []string{"any"}}))
	agg := bundle.Node{ID: "g", Kind: bundle.Aggregator, Aggregator: &bundle.AggregatorConfig{CompleteAfter: 3}}
	g := graph([]bundle.Node{exec("a"), b, exec("c"), agg}, "a->b:*", "a->c:*", "c->g:*")
	g.Concurrency = 1
	j := newJob(t, g)
	j.end("a", emits("m", "m"))
	j.end("b", failure("exit"))
	j.end("c", event.Outcome{Output: body("1")})
	got := strings.Join(Pending(j.g, j.s), "\n")
	for _, part := range []string{
		"node b: attempt 2 of 2 waits until 2030-01-02T03:04:05Z",
		"node b: 2 messages wait behind the ones in work",
		"node c: attempt 1 runs since",
		"node g: gathered 1 messages; waits for 3",
	} {
		if !strings.Contains(got, part) {
			t.Errorf("Pending lacks %q:\n%s", part, got)
		}
	}
	want(t, "status of b", Nodes(j.g, j.s)[1].Status, "retrying")
	j.do(Cancel{})
	want(t, "cancelling", strings.Contains(Pending(j.g, j.s)[0], "1 attempts are still ending"), true)
}

func TestMailbox_isBounded(t *testing.T) {
	a := exec("a", func(n *bundle.Node) { n.Executor.NoDefaultOutput = true })
	j := newJob(t, graph([]bundle.Node{a, exec("b")}, "a->b:m"))
	o := event.Outcome{}
	for range maxQueued + 1 {
		o.Emit = append(o.Emit, event.Emit{Type: "m", Body: body("1")})
	}
	j.end("a", o)
	want(t, "status", j.s.Status, event.JobStateFailed)
	want(t, "cause", j.s.Failure.Cause, "limit")
	want(t, "last event", j.all[len(j.all)-1].Kind, event.JobFailed)
}

func TestAbort_failsTheJob(t *testing.T) {
	j := newJob(t, graph([]bundle.Node{exec("a")}))
	j.do(Abort{Reason: "the store refuses"})
	want(t, "status, reason", []string{string(j.s.Status), j.s.Reason}, []string{"failed", "the store refuses"})
	j.do(Abort{Reason: "again"})
	want(t, "events of a repeat", len(j.last.Events), 0)
}

func TestConclude_dropsTimersAndSaysWhatIsLeft(t *testing.T) {
	b := exec("b", retry(bundle.Retry{MaxAttempts: 2, On: []string{"any"}}))
	j := newJob(t, graph([]bundle.Node{exec("a"), b}, "a->b:m"))
	j.end("a", emits("m", "m"))
	j.end("b", failure("exit"))
	timer := j.timer("b")
	j.do(Cancel{})
	want(t, "status", j.s.Status, event.JobStateCancelled)
	want(t, "dropped", j.last.Drop, []string{timer})
	want(t, "queue", len(j.s.Nodes[1].Queue), 0)
	want(t, "warnings", len(j.kinds(event.Warning)), 1)
}

func TestPause_canBeMadeAKillLater(t *testing.T) {
	j := newJob(t, graph([]bundle.Node{exec("a")}))
	j.do(Pause{})
	j.do(Pause{Kill: true})
	want(t, "kill", j.s.Kill, true)
	j.do(Pause{})
	want(t, "events of a weaker repeat", len(j.last.Events), 0)
}

func TestCancelledOutcome_isReleasedWhenTheJobGoesOn(t *testing.T) {
	j := newJob(t, graph([]bundle.Node{exec("a")}))
	j.end("a", event.Outcome{Status: event.Cancelled})
	want(t, "released", j.kinds(event.AttemptReleased), []string{"attempt.released a"})
	want(t, "running", j.running(), []string{"a#1"})
}

func TestAdopt_lossesDoNotFailAJobThatIsBeingCancelled(t *testing.T) {
	j := newJob(t, graph([]bundle.Node{exec("a")}))
	for range CrashBudget {
		if err := j.try(Input{Do: Resume{}, Adopt: true}); err != nil {
			t.Fatal(err)
		}
	}
	j.do(Cancel{})
	if err := j.try(Input{Do: Resume{}, Adopt: true}); err != nil {
		t.Fatal(err)
	}
	want(t, "status", j.s.Status, event.JobStateCancelled)
}

func TestAdopt_carriesOutTheCommandInTheSameTransition(t *testing.T) {
	rows := []struct {
		do     Action
		status event.JobStatus
	}{
		{Cancel{}, event.JobStateCancelled},
		{Pause{}, event.JobStatePaused},
		{Resume{}, event.JobStateRunning},
	}
	for _, row := range rows {
		t.Run(fmt.Sprintf("%T", row.do), func(t *testing.T) {
			j := newJob(t, graph([]bundle.Node{exec("a")}))
			if err := j.try(Input{Do: row.do, Adopt: true}); err != nil {
				t.Fatal(err)
			}
			want(t, "status", j.s.Status, row.status)
			want(t, "owner", j.s.Owner, "test")
		})
	}
}
