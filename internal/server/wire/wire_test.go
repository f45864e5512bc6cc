package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
)

func TestJSON_isOneLineWithEveryKey(t *testing.T) {
	got, err := JSON(Error(fault.New(fault.Invalid, "no").WithHint("yes")))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"kind":"invalid","message":"no","hint":"yes","problems":[]}`
	if string(got) != want {
		t.Errorf("JSON = %s, want %s", got, want)
	}
}

func TestJSON_isGolden(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
	rows := []struct {
		name string
		msg  proto.Message
		want string
	}{
		{
			"event", Event(event.Event{
				V: 1, Job: "j", Seq: 7, Time: at, Kind: event.PolicyDenied, Actor: "engine", Cause: 6, Node: "n",
				Message: "m", Attempt: 2, Epoch: 3, Data: &event.Body{Inline: json.RawMessage(`{"a":[1,"x",null]}`)},
			}),
			`{"job_id":"j","seq":7,"time":"2026-01-02T02:04:05.000000006Z","kind":"policy.denied","actor":"engine","cause":6,` +
				`"node":"n","edge":"","message":"m","attempt":2,"epoch":3,"name":"","reason":"","data":{"a":[1,"x",null]},"blob":null}`,
		},
		{
			"event with a blob", Event(event.Event{Job: "j", Data: &event.Body{Ref: &event.BlobRef{Digest: "sha256:0", Size: 1 << 40, Type: "text/plain"}}}),
			`{"job_id":"j","seq":0,"time":"","kind":"","actor":"","cause":0,"node":"","edge":"","message":"","attempt":0,"epoch":0,` +
				`"name":"","reason":"","data":null,"blob":{"digest":"sha256:0","size":1099511627776,"type":"text/plain"}}`,
		},
		{
			"result of a command", ExecResult(sandbox.Result{
				ExitCode: -1, Signal: 9, Limit: "memory", Stdout: []byte("é\n"), Stderr: []byte{0xff, 0xfe},
				Duration: 1500 * time.Microsecond, Layer: "native",
				Report: event.Report{Layer: "native", Steps: []event.Step{{Name: "s", Status: event.Enforced}}},
			}),
			`{"exit_code":-1,"signal":"SIGKILL","timed_out":false,"limit":"memory","stdout":"é\n","stdout_base64":"","stderr":"",` +
				`"stderr_base64":"//4=","truncated":false,"duration_ms":1.5,"layer":"native","report":{"layer":"native","launcher":"",` +
				`"steps":[{"name":"s","status":"enforced","detail":""}],"denials":[],"missing":[],"node":"","attempt":0},"denials":[],"workspace":null}`,
		},
		{
			"job in a listing", Summary(event.Summary{Job: "j", Name: "n\xff", Status: event.JobStateRunning, Submitted: at, Updated: at.Add(time.Second), Version: 9, Epoch: 1}),
			`{"job_id":"j","name":"n�","status":"running","reason":"","submitted":"2026-01-02T02:04:05.000000006Z",` +
				`"updated":"2026-01-02T02:04:06.000000006Z","version":9,"epoch":1,"bundle_digest":"","folder":"","nodes":[],` +
				`"pending":[],"duration_ms":1000,"pass_env":[],"attempts_folder":""}`,
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got, err := JSON(row.msg)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != row.want {
				t.Errorf("JSON =\n%s\nwant\n%s", got, row.want)
			}
			back := row.msg.ProtoReflect().New().Interface()
			if err := FromJSON(got, back); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.msg, back, protocmp.Transform()); diff != "" {
				t.Errorf("read back (-want +got):\n%s", diff)
			}
		})
	}
}

func TestValue_dropsNothing(t *testing.T) {
	rows := []struct{ name, in, want string }{
		{"nothing", "", "null"},
		{"null", "null", "null"},
		{"object", `{"b":1,"a":[true,null,"x"]}`, `{"a":[true,null,"x"],"b":1}`},
		{"text", `"x"`, `"x"`},
		{"large number", "1e300", "1e+300"},
		{"no json", "{oops", `"{oops"`},
		{"not utf-8", "\"\xff\"", `"\"` + "\uFFFD" + `\""`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got, err := JSON(Value(json.RawMessage(row.in)))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != row.want {
				t.Errorf("Value(%q) = %s, want %s", row.in, got, row.want)
			}
		})
	}
}

func TestText_keepsEveryByte(t *testing.T) {
	for _, in := range [][]byte{nil, []byte("plain"), {0}, {0xff, 0}, []byte("\u202e")} {
		if got := FromText(Text(in)); string(got) != string(in) {
			t.Errorf("FromText(Text(%q)) = %q", in, got)
		}
	}
	if got := FromText("", "not base64!"); got != nil {
		t.Errorf("FromText of garbage = %q, want nothing", got)
	}
}

func TestMillis_andBack(t *testing.T) {
	for _, d := range []time.Duration{0, time.Microsecond, 90 * time.Second, 300 * 24 * time.Hour} {
		if got := FromMillis(Millis(d)); got != d {
			t.Errorf("FromMillis(Millis(%s)) = %s", d, got)
		}
	}
}

func TestError_goesThroughTheSocketUnchanged(t *testing.T) {
	problems := fault.Problems{{File: "manifest.json", Pointer: "/nodes/0", Line: 3, Column: 4, Reason: "bad", Fix: "good"}}
	rows := []struct {
		name string
		err  error
	}{
		{"fault", fault.New(fault.Denied, "no").WithHint("ask")},
		{"wrapped fault", fmt.Errorf("read history: %w", fault.New(fault.Corrupt, "bad sum").WithHint("restore"))},
		{"problems", problems},
		{"fault over problems", fault.Newf(fault.Denied, "%w", problems)},
		{"plain error", errors.New("oops")},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got := FromConnect(ToConnect(row.err))
			if diff := cmp.Diff(Error(row.err), Error(got), protocmp.Transform()); diff != "" {
				t.Errorf("error (-sent +received):\n%s", diff)
			}
			if g, w := fault.ExitCode(got), fault.ExitCode(row.err); g != w {
				t.Errorf("exit code = %d, want %d", g, w)
			}
		})
	}
	if ToConnect(nil) != nil || FromConnect(nil) != nil {
		t.Error("nil did not stay nil")
	}
}

func TestEveryKind_hasACodeAndAName(t *testing.T) {
	for k, row := range fault.Table {
		if k == int(fault.OK) {
			continue
		}
		err := FromConnect(ToConnect(fault.New(fault.Kind(k), "x")))
		if got := fault.KindOf(err); got != fault.Kind(k) {
			t.Errorf("%s came back as %s", row.Name, got)
		}
	}
}

func TestFromSubmission_readsGrants(t *testing.T) {
	got, err := FromSubmission(&apiv1.SubmitJobRequest{
		Folder: "/b",
		Grants: &apiv1.Grants{
			PolicyJson: `{"syscalls":"strict"}`, Read: []string{"/r"}, Write: []string{"/w"}, PassEnv: []string{"A"},
			MemoryBytes: 1 << 33, TimeoutMs: 1500, TrustHost: true, BestEffort: true, Env: map[string]string{"A": "b"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	g := got.Grants
	if g.Policy == nil || g.Policy.Syscalls != "strict" || g.Memory != 1<<33 || g.Timeout != 1500*time.Millisecond || !g.TrustHost || !g.BestEffort || got.Env["A"] != "b" {
		t.Errorf("grants = %+v", g)
	}
}

func TestFromSubmission_refusesABrokenPolicy(t *testing.T) {
	_, err := FromSubmission(&apiv1.SubmitJobRequest{Grants: &apiv1.Grants{PolicyJson: `{"reed":[]}`}})
	if fault.KindOf(err) != fault.Invalid {
		t.Errorf("error = %v, want invalid", err)
	}
}

func TestFromSubmission_refusesNumbersThatAreNone(t *testing.T) {
	for _, n := range []float64{-1, math.NaN(), math.Inf(1), 1e300} {
		for _, g := range []*apiv1.Grants{{MemoryBytes: n}, {TimeoutMs: n}} {
			if _, err := FromSubmission(&apiv1.SubmitJobRequest{Grants: g}); fault.KindOf(err) != fault.Invalid {
				t.Errorf("%v: error = %v, want invalid", g, err)
			}
		}
	}
}
