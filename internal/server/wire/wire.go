// Package wire translates between the nouns and the API's messages. It is the
// one place that knows both, so the socket and the CLI's --json cannot differ.
package wire

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/engine/decide"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/grant"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/service"
	"github.com/bulkhead-dev/bulkhead/internal/store"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Time is RFC 3339 with nanoseconds in UTC; empty for the zero time.
func Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// Millis is a duration in milliseconds.
func Millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// FromMillis is a duration given in milliseconds.
func FromMillis(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// Text splits bytes into text, or base64 when they are not UTF-8.
func Text(b []byte) (text, base string) {
	if utf8.Valid(b) {
		return string(b), ""
	}
	return "", base64.StdEncoding.EncodeToString(b)
}

// FromText joins what Text split.
func FromText(text, base string) []byte {
	if base == "" {
		return []byte(text)
	}
	b, err := base64.StdEncoding.DecodeString(base)
	if err != nil {
		return nil
	}
	return b
}

// clean makes text that others wrote fit for a message, which holds UTF-8 only.
func clean(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// Value is JSON as a message; null when it is empty. Whole numbers above 2^53
// lose digits, as in every reader of JSON that has doubles only. What is no
// JSON becomes a string, so that nothing is dropped.
func Value(raw json.RawMessage) *structpb.Value {
	if len(raw) == 0 {
		return structpb.NewNullValue()
	}
	v := new(structpb.Value)
	if protojson.Unmarshal(raw, v) != nil {
		return structpb.NewStringValue(clean(string(raw)))
	}
	return v
}

// Signal is a signal's name such as SIGKILL; empty for 0.
func Signal(n int) string {
	if n == 0 {
		return ""
	}
	return unix.SignalName(unix.Signal(n))
}

// Event is one fact of a history.
func Event(e event.Event) *apiv1.Event {
	out := &apiv1.Event{
		JobId:   string(e.Job),
		Seq:     float64(e.Seq),
		Time:    Time(e.Time),
		Kind:    string(e.Kind),
		Actor:   e.Actor,
		Cause:   float64(e.Cause),
		Node:    string(e.Node),
		Edge:    string(e.Edge),
		Message: string(e.Message),
		Attempt: int32(e.Attempt),
		Epoch:   float64(e.Epoch),
		Name:    clean(e.Name),
		Reason:  clean(e.Reason),
		Data:    structpb.NewNullValue(),
	}
	if e.Data != nil {
		out.Data, out.Blob = Value(e.Data.Inline), Blob(e.Data.Ref)
	}
	return out
}

// Blob is a reference to content-addressed bytes; nil for nil.
func Blob(r *event.BlobRef) *apiv1.BlobRef {
	if r == nil {
		return nil
	}
	return &apiv1.BlobRef{Digest: r.Digest, Size: float64(r.Size), Type: r.Type}
}

// Report is what was enforced around one command.
func Report(r event.Report) *apiv1.Report {
	return &apiv1.Report{
		Layer:    r.Layer,
		Launcher: r.Launcher,
		Steps:    Steps(r.Steps),
		Denials:  Denials(r.Denials),
		Missing:  each(r.Missing, clean),
	}
}

// Steps are the walls in order.
func Steps(steps []event.Step) []*apiv1.Step {
	return each(steps, func(s event.Step) *apiv1.Step {
		return &apiv1.Step{Name: clean(s.Name), Status: s.Status, Detail: clean(s.Detail)}
	})
}

// Denials are refusals.
func Denials(ds []event.Denial) []*apiv1.Denial {
	return each(ds, func(d event.Denial) *apiv1.Denial {
		return &apiv1.Denial{
			Operation: clean(d.Operation), Object: clean(d.Object), Step: clean(d.Step),
			Grant: clean(d.Grant), Source: d.Source, Count: int32(d.Count),
		}
	})
}

// ExecResult is how a command ended.
func ExecResult(r sandbox.Result) *apiv1.ExecResult {
	out := &apiv1.ExecResult{
		ExitCode:   int32(r.ExitCode),
		Signal:     Signal(r.Signal),
		TimedOut:   r.TimedOut,
		Limit:      r.Limit,
		Truncated:  r.Truncated,
		DurationMs: Millis(r.Duration),
		Layer:      string(r.Layer),
		Report:     Report(r.Report),
		Denials:    Denials(r.Report.Denials),
	}
	out.Stdout, out.StdoutBase64 = Text(r.Stdout)
	out.Stderr, out.StderrBase64 = Text(r.Stderr)
	return out
}

// Job is one run of a bundle.
func Job(j service.Job) *apiv1.Job {
	out := Summary(j.Summary)
	out.PassEnv = j.PassEnv
	out.AttemptsFolder = clean(j.Attempts)
	out.BundleDigest = j.BundleDigest
	out.Folder = clean(j.Folder)
	out.Nodes = each(j.Nodes, node)
	out.Pending = each(j.Pending, clean)
	return out
}

// Summary is a job as a listing shows it.
func Summary(s event.Summary) *apiv1.Job {
	return &apiv1.Job{
		JobId: string(s.Job), Name: clean(s.Name), Status: string(s.Status), Reason: clean(s.Reason),
		Submitted: Time(s.Submitted), Updated: Time(s.Updated),
		Version: float64(s.Version), Epoch: float64(s.Epoch),
		DurationMs: Millis(s.Updated.Sub(s.Submitted)),
	}
}

func node(n decide.NodeView) *apiv1.NodeStatus {
	return &apiv1.NodeStatus{
		Node: string(n.ID), Kind: string(n.Kind), Status: n.Status,
		Queued: int32(n.Queued), Running: int32(n.Running),
		Succeeded: int32(n.Succeeded), Failed: int32(n.Failed), Denials: int32(n.Denials),
		DurationMs: Millis(n.Took), Detail: clean(n.Detail),
	}
}

// Page is a part of a listing.
func Page(p store.Page) *apiv1.ListJobsResponse {
	return &apiv1.ListJobsResponse{
		Jobs: each(p.Jobs, Summary),
		Next: p.Next,
		Quarantined: each(p.Quarantined, func(q store.Quarantined) *apiv1.Quarantined {
			return &apiv1.Quarantined{JobId: string(q.Job), Reason: clean(q.Reason)}
		}),
	}
}

// Result is what a job came to.
func Result(r service.Result) *apiv1.JobResult {
	return &apiv1.JobResult{
		JobId: string(r.Job), Status: string(r.Status), Reason: clean(r.Reason),
		Output: Value(r.Output),
		Reports: each(r.Reports, func(a service.AttemptReport) *apiv1.Report {
			out := Report(a.Report)
			out.Node, out.Attempt = string(a.Node), int32(a.Attempt)
			return out
		}),
	}
}

// Submitted is a job that was accepted.
func Submitted(s service.Submitted) *apiv1.SubmitJobResponse {
	return &apiv1.SubmitJobResponse{
		JobId:    string(s.Job),
		Warnings: each(s.Warnings, func(p fault.Problem) string { return clean(p.String()) }),
	}
}

// The greatest numbers in a request: a pebibyte, and some 280 years, the
// longest time.Duration.
const (
	maxBytes  float64 = 1 << 50
	maxMillis float64 = 1 << 43
)

// within refuses what is not a number from 0 to most.
func within(name string, n, most float64) error {
	if n >= 0 && n <= most { // false for NaN
		return nil
	}
	return fault.Newf(fault.Invalid, "%s is %v; want a number from 0 to %v", name, n, most)
}

// FromSubmission is a bundle to be run, as a client sent it. Errors are
// fault.Problems or fault.Invalid.
func FromSubmission(r *apiv1.SubmitJobRequest) (service.Submission, error) {
	g := r.GetGrants()
	if err := errors.Join(
		within("memory_bytes", g.GetMemoryBytes(), maxBytes),
		within("timeout_ms", g.GetTimeoutMs(), maxMillis),
	); err != nil {
		return service.Submission{}, err
	}
	out := service.Submission{
		Folder: r.GetFolder(),
		Inputs: make(map[string]json.RawMessage, len(r.GetInputs().GetFields())),
		Env:    g.GetEnv(),
		Grants: grant.Grants{
			Read:       g.GetRead(),
			Write:      g.GetWrite(),
			PassEnv:    g.GetPassEnv(),
			Memory:     policy.Bytes(g.GetMemoryBytes()),
			Timeout:    FromMillis(g.GetTimeoutMs()),
			TrustHost:  g.GetTrustHost(),
			BestEffort: g.GetBestEffort(),
		},
	}
	for name, v := range r.GetInputs().GetFields() {
		raw, err := JSON(v)
		if err != nil {
			return service.Submission{}, fault.Newf(fault.Invalid, "input %s: %w", name, err)
		}
		out.Inputs[name] = raw
	}
	if g.GetPolicyJson() == "" {
		return out, nil
	}
	ceiling, err := policy.Parse("policy_json", []byte(g.GetPolicyJson()))
	out.Grants.Policy = &ceiling
	return out, err
}

// Info describes a holder and its store.
func Info(i service.Info) *apiv1.Info {
	return &apiv1.Info{
		Version: i.Version, State: clean(i.State), Pid: int32(i.PID),
		Driver: i.Store.Driver, Durability: i.Store.Durability,
		Bytes: float64(i.Store.Bytes), ReadOnly: clean(i.Store.ReadOnly),
	}
}

// Validation is everything that is wrong with a bundle.
func Validation(v service.Validation) *apiv1.Validation {
	return &apiv1.Validation{
		Ok: len(v.Problems) == 0, Dialect: v.Dialect, Digest: v.Digest,
		Problems: Problems(v.Problems), Warnings: Problems(v.Warnings),
	}
}

// Review is what a person should look at before running a bundle.
func Review(r service.Review) *apiv1.Review {
	return &apiv1.Review{
		Name: clean(r.Name), Digest: r.Digest, Verdict: string(r.Verdict),
		Lines: each(r.Lines, func(l bundle.Line) *apiv1.ReviewLine {
			return &apiv1.ReviewLine{
				Subject: clean(l.Subject), Topic: clean(l.Topic), Value: clean(l.Value),
				Verdict: string(l.Verdict), Why: clean(l.Why),
			}
		}),
	}
}

// LogChunk is a piece of what a worker printed.
func LogChunk(c service.LogChunk) *apiv1.LogChunk {
	out := &apiv1.LogChunk{Node: string(c.Node), Attempt: int32(c.Attempt), Stream: c.Stream}
	out.Text, out.TextBase64 = Text(c.Bytes)
	return out
}

// Explanation is the plan of a command.
func Explanation(e service.Explanation) *apiv1.Explanation {
	return &apiv1.Explanation{Layer: string(e.Layer), Steps: Steps(e.Steps), Program: clean(e.Program)}
}

// Doctor is what a host can enforce.
func Doctor(c service.Checkup) *apiv1.Doctor {
	return &apiv1.Doctor{
		Ok: c.OK, Host: c.Host,
		Capabilities: each(c.Checks, func(c service.Check) *apiv1.Capability {
			return &apiv1.Capability{
				Layer: string(c.Layer), Name: c.Name, Ok: c.OK, Required: c.Required,
				Detail: clean(c.Detail), Remedy: clean(c.Remedy),
			}
		}),
	}
}

// Problems are problems of an input.
func Problems(ps fault.Problems) []*apiv1.Problem {
	return each(ps, func(p fault.Problem) *apiv1.Problem {
		return &apiv1.Problem{
			File: clean(p.File), Pointer: clean(p.Pointer), Line: int32(p.Line), Column: int32(p.Column),
			Reason: clean(p.Reason), Fix: clean(p.Fix),
		}
	})
}

func fromProblems(ps []*apiv1.Problem) fault.Problems {
	return each(ps, FromProblem)
}

// FromProblem is the problem that Problems translated.
func FromProblem(p *apiv1.Problem) fault.Problem {
	return fault.Problem{
		File: p.GetFile(), Pointer: p.GetPointer(), Line: int(p.GetLine()), Column: int(p.GetColumn()),
		Reason: p.GetReason(), Fix: p.GetFix(),
	}
}

// each translates a list; nil stays nil.
func each[A, B any](list []A, f func(A) B) []B {
	if list == nil {
		return nil
	}
	out := make([]B, len(list))
	for i, a := range list {
		out[i] = f(a)
	}
	return out
}
