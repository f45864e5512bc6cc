package decide

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

var epoch0 = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// job drives decisions like an engine would, one input at a time.
type job struct {
	t     *testing.T
	g     *bundle.Graph
	s     *State
	now   time.Time
	free  int
	blobs map[string][]byte
	last  Result
	all   []event.Event
}

// newJob submits a graph.
func newJob(t *testing.T, g *bundle.Graph) *job {
	t.Helper()
	j := &job{t: t, g: g, now: epoch0, free: 100, blobs: map[string][]byte{}}
	j.do(Submit{Job: "j", GraphDigest: "sha256:g"})
	return j
}

// do folds an action and fails the test on an error.
func (j *job) do(a Action) {
	j.t.Helper()
	if err := j.try(Input{Do: a}); err != nil {
		j.t.Fatalf("Decide(%T): %v", a, err)
	}
}

// try folds an input, feeding blobs that are asked for.
func (j *job) try(in Input) error {
	j.t.Helper()
	in.Now, in.Free, in.Owner = j.now, j.free, "test"
	told := fmt.Sprintf("%+v", in)
	r, err := Decide(j.g, j.s, in)
	if now := fmt.Sprintf("%+v", in); now != told {
		j.t.Errorf("Decide changed its input:\n%s\n%s", told, now)
	}
	var need *NeedBlobs
	if errors.As(err, &need) {
		in.Blobs = j.blobs
		r, err = Decide(j.g, j.s, in)
	}
	if err != nil {
		return err
	}
	for _, b := range r.Blobs {
		j.blobs[b.Ref.Digest] = b.Bytes
	}
	raw, err := json.Marshal(r.State)
	if err != nil {
		j.t.Fatalf("encode state: %v", err)
	}
	j.s = new(State)
	if err := json.Unmarshal(raw, j.s); err != nil {
		j.t.Fatalf("decode state: %v", err)
	}
	j.last, j.all = r, append(j.all, r.Events...)
	return nil
}

// running names the running attempts as node#number.
func (j *job) running() []string {
	var out []string
	for _, l := range j.s.Running() {
		out = append(out, fmt.Sprintf("%s#%d", l.Node.ID, l.Item.Number))
	}
	return out
}

// end finishes the first running attempt of a node.
func (j *job) end(node event.NodeID, o event.Outcome) {
	j.t.Helper()
	j.do(Complete{[]Done{j.done(node, o)}})
}

// done is the end of the first running attempt of a node.
func (j *job) done(node event.NodeID, o event.Outcome) Done {
	j.t.Helper()
	if o.Status == "" {
		o.Status = event.Succeeded
	}
	for _, l := range j.s.Running() {
		if l.Node.ID == node {
			return Done{Node: node, Message: l.Item.Message.ID, Epoch: l.Item.Epoch, Outcome: o}
		}
	}
	j.t.Fatalf("node %s runs nothing; running: %v", node, j.running())
	return Done{}
}

// kinds lists the kinds of all events so far that pass a filter.
func (j *job) kinds(keep ...event.Kind) []string {
	var out []string
	for _, ev := range j.all {
		if slices.Contains(keep, ev.Kind) {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s", ev.Kind, ev.Node)))
		}
	}
	return out
}

// result is the JSON of the job's result.
func (j *job) result() string {
	j.t.Helper()
	if j.s.Result == nil {
		j.t.Fatalf("no result; status %s (%s)", j.s.Status, j.s.Reason)
	}
	if j.s.Result.Ref != nil {
		return string(j.blobs[j.s.Result.Ref.Digest])
	}
	return string(j.s.Result.Inline)
}

// want compares and says what differs.
func want[T any](t *testing.T, what string, got, wanted T) {
	t.Helper()
	if d := cmp.Diff(wanted, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// exec is an executor node.
func exec(id event.NodeID, change ...func(*bundle.Node)) bundle.Node {
	n := bundle.Node{ID: id, Kind: bundle.Executor, Executor: &bundle.ExecutorConfig{Command: []string{"true"}}}
	for _, c := range change {
		c(&n)
	}
	return n
}

// retry gives an executor a retry policy.
func retry(r bundle.Retry) func(*bundle.Node) {
	return func(n *bundle.Node) { n.Executor.Retry = r }
}

// edge is "from->to:type", with options after a blank: failed, first.
func edge(text string) bundle.Edge {
	route, option, _ := strings.Cut(text, " ")
	from, rest, _ := strings.Cut(route, "->")
	to, typ, _ := strings.Cut(rest, ":")
	e := bundle.Edge{ID: event.EdgeID(text), From: event.NodeID(from), To: event.NodeID(to), Type: typ}
	switch option {
	case "failed":
		e.Accepts = "failed"
	case "first":
		e.Mode = "first_match"
	}
	return e
}

// graph builds a graph whose first node is the entrypoint.
func graph(nodes []bundle.Node, edges ...string) *bundle.Graph {
	g := &bundle.Graph{ID: "g", Name: "g", Nodes: nodes, Entrypoints: []event.NodeID{nodes[0].ID}, Concurrency: 4}
	for _, e := range edges {
		g.Edges = append(g.Edges, edge(e))
	}
	return g
}

// body is an inline body.
func body(raw string) event.Body { return event.Body{Inline: json.RawMessage(raw)} }

// emits is an outcome that sends messages of the given types.
func emits(types ...string) event.Outcome {
	var o event.Outcome
	for i, typ := range types {
		o.Emit = append(o.Emit, event.Emit{Type: typ, Body: body(fmt.Sprintf(`{"n":%d}`, i))})
	}
	return o
}

// failure is a failed outcome.
func failure(cause string) event.Outcome {
	return event.Outcome{Status: event.Failed, Cause: cause, Reason: cause + " happened", ExitCode: 3}
}

func TestSubmit_startsEntrypointsInTheSameTransition(t *testing.T) {
	j := newJob(t, graph([]bundle.Node{exec("a"), exec("b")}, "a->b:*"))
	want(t, "running", j.running(), []string{"a#1"})
	want(t, "status", j.s.Status, event.JobStateRunning)
	want(t, "body", string(j.s.Nodes[0].Queue[0].Message.Body.Inline), "{}")
	var seqs []event.Seq
	for _, ev := range j.all {
		seqs = append(seqs, ev.Seq)
	}
	want(t, "sequence", seqs, []event.Seq{1, 2, 3, 4})
}

func TestSubmit_deliversInitialInputs(t *testing.T) {
	g := graph([]bundle.Node{exec("a")})
	g.InitialInputs = map[event.NodeID][]json.RawMessage{"a": {json.RawMessage(`1`), json.RawMessage(`2`)}}
	j := newJob(t, g)
	want(t, "queue", len(j.s.Nodes[0].Queue), 2)
	want(t, "running", j.running(), []string{"a#1"})
}

func TestSubmit_refusesSensors(t *testing.T) {
	g := graph([]bundle.Node{{ID: "s", Kind: bundle.Sensor}})
	_, err := Decide(g, nil, Input{Do: Submit{Job: "j"}, Now: epoch0})
	want(t, "kind", fault.KindOf(err), fault.Unsupported)
}

func TestHop_completesAndClaimsInOneTransition(t *testing.T) {
	j := newJob(t, graph([]bundle.Node{exec("a"), exec("b")}, "a->b:*"))
	j.end("a", event.Outcome{Output: body(`{"x":1}`)})
	want(t, "running", j.running(), []string{"b#1"})
	var kinds []event.Kind
	for _, ev := range j.last.Events {
		kinds = append(kinds, ev.Kind)
	}
	want(t, "events", kinds, []event.Kind{event.AttemptSucceeded, event.MessageDelivered, event.AttemptStarted})
	j.end("b", event.Outcome{Output: body(`{"y":2}`)})
	want(t, "status", j.s.Status, event.JobStateCompleted)
	want(t, "result", j.result(), `{"b":{"y":2}}`)
}

func TestRoute(t *testing.T) {
	to := func(id event.NodeID) event.Outcome {
		return event.Outcome{Emit: []event.Emit{{Type: "m", To: id, Body: body("1")}}}
	}
	rows := []struct {
		name     string
		edges    []string
		outcome  event.Outcome
		got      []string
		unrouted int
	}{
		{"by type", []string{"a->b:m", "a->c:n"}, emits("m"), []string{"b"}, 0},
		{"star takes all", []string{"a->b:*", "a->c:n"}, emits("n"), []string{"b", "b", "c"}, 0},
		{"broadcast", []string{"a->b:m", "a->c:m"}, emits("m"), []string{"b", "c"}, 0},
		{"first match only", []string{"a->b:m first", "a->c:m first"}, emits("m"), []string{"b"}, 0},
		{"first match in manifest order", []string{"a->b:m", "a->c:m first"}, emits("m"), []string{"b"}, 0},
		{"two edges to one node are two messages", []string{"a->b:m", "a->b:*"}, emits("m"), []string{"b", "b", "b"}, 0},
		{"no edge", []string{"a->b:m"}, emits("other"), nil, 1},
		{"default without edge", []string{"a->b:m"}, event.Outcome{Output: body("1")}, nil, 1},
		{"direct goes past the edges", []string{"a->b:m"}, to("c"), []string{"c"}, 0},
		{"direct to an unknown node", []string{"a->b:m"}, to("zz"), nil, 1},
		{"failed edges take no success", []string{"a->b:m failed"}, emits("m"), nil, 1},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			j := newJob(t, graph([]bundle.Node{exec("a"), exec("b"), exec("c")}, row.edges...))
			j.all = nil
			j.end("a", row.outcome)
			var got []string
			for _, ev := range j.all {
				if ev.Kind == event.MessageDelivered {
					got = append(got, string(ev.Node))
				}
			}
			slices.Sort(got)
			want(t, "delivered", got, row.got)
			want(t, "unrouted", len(j.kinds(event.MessageUnrouted)), row.unrouted)
		})
	}
}

func TestDefaultOutput_canBeTurnedOff(t *testing.T) {
	a := exec("a", func(n *bundle.Node) { n.Executor.NoDefaultOutput = true })
	j := newJob(t, graph([]bundle.Node{a, exec("b")}, "a->b:*"))
	j.end("a", event.Outcome{Output: body("1")})
	want(t, "status", j.s.Status, event.JobStateCompleted)
	want(t, "result", j.result(), `{}`)
}

func TestMailbox_isSerialAndInOrder(t *testing.T) {
	j := newJob(t, graph([]bundle.Node{exec("a"), exec("b")}, "a->b:m"))
	j.end("a", emits("m", "m", "m"))
	want(t, "running", j.running(), []string{"b#1"})
	for i := range 3 {
		it := j.s.Running()[0].Item
		want(t, "body", string(it.Message.Body.Inline), fmt.Sprintf(`{"n":%d}`, i))
		want(t, "invocation", it.Invocation, i+1)
		j.end("b", event.Outcome{NextState: json.RawMessage(fmt.Sprint(i))})
	}
	want(t, "state", string(j.s.Nodes[1].State), "2")
	want(t, "status", j.s.Status, event.JobStateCompleted)
}

func TestMailbox_concurrentNodeHasNoState(t *testing.T) {
	b := exec("b", func(n *bundle.Node) { n.Concurrency = 2 })
	j := newJob(t, graph([]bundle.Node{exec("a"), b}, "a->b:m"))
	j.end("a", emits("m", "m", "m"))
	want(t, "running", j.running(), []string{"b#1", "b#1"})
	j.end("b", event.Outcome{NextState: json.RawMessage("1")})
	want(t, "state", len(j.s.Nodes[1].State), 0)
	want(t, "warnings", j.kinds(event.Warning), []string{"warning b"})
}

func TestConcurrency_capsTheJob(t *testing.T) {
	nodes := []bundle.Node{exec("a")}
	var edges []string
	for i := range 6 {
		id := fmt.Sprintf("w%d", i)
		nodes = append(nodes, exec(event.NodeID(id)))
		edges = append(edges, "a->"+id+":*")
	}
	j := newJob(t, graph(nodes, edges...))
	j.end("a", event.Outcome{Output: body("1")})
	want(t, "running", len(j.running()), 4)
	if j.last.Starved {
		t.Error("Starved, want the job's own cap to be the reason")
	}
	j.free = 0
	j.end("w0", event.Outcome{})
	want(t, "running", len(j.running()), 3)
	want(t, "starved", j.last.Starved, true)
}

func TestSlots_weighAgainstTheJob(t *testing.T) {
	heavy := exec("h", func(n *bundle.Node) { n.Executor.Slots = 9 })
	j := newJob(t, graph([]bundle.Node{exec("a"), heavy, exec("b")}, "a->h:*", "a->b:*"))
	j.end("a", event.Outcome{Output: body("1")})
	want(t, "running", j.running(), []string{"h#1"})
	j.end("h", event.Outcome{})
	want(t, "running", j.running(), []string{"b#1"})
}

func TestRouter_forwardsWithItsOwnType(t *testing.T) {
	r := bundle.Node{ID: "r", Kind: bundle.Router, Router: &bundle.RouterConfig{EmitType: "x"}}
	j := newJob(t, graph([]bundle.Node{exec("a"), r, exec("b")}, "a->r:*", "r->b:x"))
	j.end("a", event.Outcome{Output: body(`{"k":1}`)})
	want(t, "running", j.running(), []string{"b#1"})
	want(t, "body", string(j.s.Running()[0].Item.Message.Body.Inline), `{"k":1}`)
}

func TestRouter_circleFailsTheJob(t *testing.T) {
	r := func(id event.NodeID) bundle.Node { return bundle.Node{ID: id, Kind: bundle.Router} }
	g := graph([]bundle.Node{r("r"), r("s")}, "r->s:*", "s->r:*", "s->s:*")
	j := newJob(t, g)
	want(t, "status", j.s.Status, event.JobStateFailed)
	if !strings.Contains(j.s.Reason, "circle") {
		t.Errorf("reason %q does not say why", j.s.Reason)
	}
}

// gatherer is a graph a -> g(aggregator) -> z with the aggregator's rule.
func gatherer(c bundle.AggregatorConfig) *bundle.Graph {
	g := bundle.Node{ID: "g", Kind: bundle.Aggregator, Aggregator: &c}
	return graph([]bundle.Node{exec("a"), g, exec("z")}, "a->g:*", "g->z:*")
}

func TestAggregator(t *testing.T) {
	rows := []struct {
		name   string
		rule   bundle.AggregatorConfig
		emit   []string
		bodies []string // inputs that z gets, in order
	}{
		{
			"by count",
			bundle.AggregatorConfig{CompleteAfter: 2},
			[]string{"m", "m"},
			[]string{`{"messages":[{"n":0},{"n":1}],"count":2}`},
		},
		{
			"starts anew, flushes the rest",
			bundle.AggregatorConfig{CompleteAfter: 2},
			[]string{"m", "m", "m"},
			[]string{`{"messages":[{"n":0},{"n":1}],"count":2}`, `{"messages":[{"n":2}],"count":1}`},
		},
		{
			"by type",
			bundle.AggregatorConfig{CompleteOn: "end"},
			[]string{"m", "end", "m"},
			[]string{`{"messages":[{"n":0},{"n":1}],"count":2}`, `{"messages":[{"n":2}],"count":1}`},
		},
		{
			"by quiescence",
			bundle.AggregatorConfig{},
			[]string{"m", "m", "m"},
			[]string{`{"messages":[{"n":0},{"n":1},{"n":2}],"count":3}`},
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			g := gatherer(row.rule)
			g.Nodes[0].Executor.NoDefaultOutput = true
			j := newJob(t, g)
			j.end("a", emits(row.emit...))
			for i, b := range row.bodies {
				if len(j.running()) != 1 {
					t.Fatalf("running %v before body %d", j.running(), i)
				}
				want(t, "input", string(j.s.Running()[0].Item.Message.Body.Inline), b)
				j.end("z", event.Outcome{})
			}
			want(t, "status", j.s.Status, event.JobStateCompleted)
		})
	}
}

func TestAggregator_flushesUpstreamFirst(t *testing.T) {
	agg := func(id event.NodeID) bundle.Node { return bundle.Node{ID: id, Kind: bundle.Aggregator} }
	g := graph([]bundle.Node{exec("a"), agg("down"), agg("up"), exec("z")}, "a->down:*", "a->up:*", "up->down:*", "down->z:*")
	j := newJob(t, g)
	j.end("a", event.Outcome{Output: body(`1`)})
	want(t, "input", string(j.s.Running()[0].Item.Message.Body.Inline),
		`{"messages":[1,{"messages":[1],"count":1}],"count":2}`)
}

func TestAggregator_completesTheRun(t *testing.T) {
	g := gatherer(bundle.AggregatorConfig{CompleteAfter: 1, CompleteRun: true})
	g.Edges = append(g.Edges, edge("a->z:*"))
	j := newJob(t, g)
	j.end("a", event.Outcome{Output: body(`7`)})
	want(t, "status", j.s.Status, event.JobStateCompleted)
	want(t, "result", j.result(), `{"messages":[7],"count":1}`)
}

func TestAggregator_readsBlobs(t *testing.T) {
	g := gatherer(bundle.AggregatorConfig{CompleteAfter: 1, CompleteRun: true})
	j := newJob(t, g)
	big := `"` + strings.Repeat("x", event.MaxInline) + `"`
	j.end("a", event.Outcome{Output: body(big)})
	want(t, "is a blob", j.s.Result.Ref != nil, true)
	want(t, "result", j.result(), `{"messages":[`+big+`],"count":1}`)
}

func TestBodies_spillWhenTheyAreManyOrLarge(t *testing.T) {
	j := newJob(t, graph([]bundle.Node{exec("a"), exec("b")}, "a->b:m"))
	o := event.Outcome{}
	for range 20 {
		o.Emit = append(o.Emit, event.Emit{Type: "m", Body: body(`"` + strings.Repeat("y", 30<<10) + `"`)})
	}
	j.end("a", o)
	inline, refs := 0, 0
	for _, it := range j.s.Nodes[1].Queue {
		if it.Message.Body.Ref != nil {
			refs++
		} else {
			inline++
		}
	}
	want(t, "inline, refs", []int{inline, refs}, []int{8, 12})
}

func TestMessageIDs_areStableAndUnique(t *testing.T) {
	run := func() []string {
		j := newJob(t, graph([]bundle.Node{exec("a"), exec("b"), exec("c")}, "a->b:*", "a->c:*", "b->c:*"))
		j.end("a", emits("m", "m"))
		return j.s.Seen
	}
	first := run()
	want(t, "same", run(), first)
	want(t, "unique", len(slices.Compact(slices.Sorted(slices.Values(first)))), 7)
}

func TestDeliver_refusesAKnownIDWithOtherBytes(t *testing.T) {
	f := begin(graph([]bundle.Node{exec("a")}), &State{Nodes: []Node{{ID: "a"}}}, Input{Now: epoch0})
	m := event.Message{ID: "1", To: "a", Type: "m", Body: body("1")}
	f.deliver(m, 0)
	f.deliver(m, 0)
	m.Body = body("2")
	f.deliver(m, 0)
	want(t, "queue", len(f.s.Nodes[0].Queue), 1)
	want(t, "last event", f.out.Events[len(f.out.Events)-1].Kind, event.Warning)
}

func TestWorkerEvents_denialsAndWarningsAreRecorded(t *testing.T) {
	j := newJob(t, graph([]bundle.Node{exec("a")}))
	j.end("a", event.Outcome{
		Events: []event.WorkerEvent{{Type: "tick", Payload: json.RawMessage(`{"a":1}`)}}, Warnings: []string{"text around the JSON"},
		Report: &event.Report{Layer: "native", Denials: []event.Denial{{Operation: "open", Object: "/etc/shadow", Step: "mounts", Count: 2}}},
	})
	got := j.kinds(event.Worker, event.PolicyDenied, event.Warning, event.AttemptSucceeded)
	want(t, "events", got, []string{"policy.denied a", "worker a", "warning a", "attempt.succeeded a"})
	want(t, "denials", j.s.Nodes[0].Denials, 2)
	for _, ev := range j.all {
		if ev.Kind == event.PolicyDenied && !strings.Contains(string(ev.Data.Inline), "/etc/shadow") {
			t.Errorf("denial data = %s", ev.Data.Inline)
		}
	}
}

func TestDenials_areBounded(t *testing.T) {
	j := newJob(t, graph([]bundle.Node{exec("a")}))
	report := &event.Report{Denials: make([]event.Denial, maxDenials+5)}
	j.end("a", event.Outcome{Report: report})
	want(t, "events", len(j.kinds(event.PolicyDenied)), maxDenials)
	want(t, "warnings", len(j.kinds(event.Warning)), 1)
	want(t, "denials", j.s.Nodes[0].Denials, maxDenials+5)
}

func TestAggregator_isFlushedOnce(t *testing.T) {
	g := gatherer(bundle.AggregatorConfig{})
	g.Edges = append(g.Edges, edge("z->g:again"))
	j := newJob(t, g)
	j.end("a", event.Outcome{Output: body(`1`)})
	j.end("z", emits("again"))
	want(t, "status", j.s.Status, event.JobStateCompleted)
	want(t, "ends", j.kinds(event.JoinSatisfied, event.Warning), []string{"join.satisfied g", "warning g", "warning"})
}

func TestEvents_nameTheirCauseAndActor(t *testing.T) {
	j := newJob(t, graph([]bundle.Node{exec("a"), exec("b")}, "a->b:*"))
	j.end("a", event.Outcome{Output: body("1")})
	j.end("b", event.Outcome{Output: body("2")})
	var got []string
	for _, ev := range j.all {
		got = append(got, fmt.Sprintf("%d %s %s<-%d", ev.Seq, ev.Kind, ev.Actor, ev.Cause))
	}
	want(t, "history", got, []string{
		"1 job.submitted operator<-0",
		"2 job.started engine<-1",
		"3 message.delivered operator<-2",
		"4 attempt.started engine<-3",
		"5 attempt.succeeded node:a<-4",
		"6 message.delivered node:a<-5",
		"7 attempt.started engine<-6",
		"8 attempt.succeeded node:b<-7",
		"9 job.completed engine<-8",
	})
}
