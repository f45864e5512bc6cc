package command

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
)

// outcome is what came of a command that ran.
func (a *attempt) outcome(ctx context.Context, res sandbox.Result) event.Outcome {
	if res.Cancelled {
		o := stopped(ctx)
		o.Report = &res.Report
		return o
	}
	o := event.Outcome{
		ExitCode: res.ExitCode, TimedOut: res.TimedOut, Limit: res.Limit, Took: res.Duration,
		Report: &res.Report, Warnings: a.notes,
	}
	if res.Signal != 0 {
		o.Signal = unix.SignalName(syscall.Signal(res.Signal))
	}
	o.Status = event.Failed
	switch {
	case res.TimedOut:
		o.Cause, o.Reason = "timeout", fmt.Sprintf("it took longer than %s", a.policy.Limits.WallTime)
	case res.Truncated:
		o.Cause, o.Reason, o.Limit = "limit", "it printed more than its limit allows", "output"
	case res.Limit != "":
		o.Cause, o.Reason = "limit", "it hit its limit of "+res.Limit
	case res.Signal != 0:
		o.Cause, o.Reason = "signal", "it was ended by "+o.Signal+a.lastWords()
	case res.ExitCode != 0:
		o.Cause, o.Reason = "exit", fmt.Sprintf("exit status %d", res.ExitCode)+a.lastWords()
		a.excuse(&o)
	default:
		o.Status = event.Succeeded
		return a.said(ctx, o)
	}
	return o
}

// lastWords is the last line on stderr, for the reason of a failure: hostile
// text, cut short and without control characters.
func (a *attempt) lastWords() string {
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(a.logs.stderr.kept.String(), "")), "\n")
	last := strings.Map(printable, lines[len(lines)-1])
	if last == "" {
		return ""
	}
	return ": " + clip(last, 200)
}

// printable drops control characters.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
		return -1
	}
	return r
}

// excuse takes over the reason that a worker gave before it exited with an
// error. Everything else that it said is discarded.
func (a *attempt) excuse(o *event.Outcome) {
	in := find(a.logs.stdout.kept.Bytes())
	if in.object == nil {
		return
	}
	c, err := a.decoder().decode(in.object)
	if err != nil || c.fail == nil {
		return
	}
	o.Reason, o.Retryable = c.fail.reason, c.fail.retryable
}

// decoder reads this worker's control document.
func (a *attempt) decoder() *decoder {
	d := &decoder{foreign: foreign(a.w.Graph), nodes: map[event.NodeID]bool{}}
	for i := range a.w.Graph.Nodes {
		d.nodes[a.w.Graph.Nodes[i].ID] = true
	}
	return d
}

// said reads what a worker that exited with 0 said on stdout.
func (a *attempt) said(ctx context.Context, o event.Outcome) event.Outcome {
	stdout := a.logs.stdout.kept.Bytes()
	in := find(stdout)
	if in.object == nil {
		o.Output = a.wrap(event.Body{Inline: printed(stdout)}, nil)
		return o
	}
	if in.rest > 0 {
		o.Warnings = append(o.Warnings, fmt.Sprintf("stdout is not one JSON object: its last line that is one counts, %d bytes around it are in the log only", in.rest))
	}
	c, err := a.decoder().decode(in.object)
	switch {
	case err != nil:
		return malformed(o, err)
	case c.fail != nil:
		o.Status, o.Cause, o.Reason, o.Retryable = event.Failed, "worker", c.fail.reason, c.fail.retryable
		return o
	}
	if err := a.take(ctx, &o, c); err != nil {
		return failedTo(o, err)
	}
	return o
}

// malformed is the outcome of a worker whose control document is not one.
func malformed(o event.Outcome, err error) event.Outcome {
	o.Status, o.Cause = event.Failed, "control"
	o.Reason = clip("malformed control JSON: "+strings.Map(printable, err.Error()), maxReason)
	return o
}

// failedTo is the outcome of an attempt whose output we could not keep.
func failedTo(o event.Outcome, err error) event.Outcome {
	o.Status, o.Cause, o.Reason = event.Failed, "start", clip("keep output: "+err.Error(), maxReason)
	return o
}

// take moves what a worker said into the outcome.
func (a *attempt) take(ctx context.Context, o *event.Outcome, c control) error {
	o.Events, o.NextState = c.events, c.nextState
	o.Warnings = append(o.Warnings, c.warnings...)
	for _, e := range c.emit {
		if e.binary != nil {
			ref, err := a.r.opt.Blobs.PutBlob(ctx, e.contentType, bytes.NewReader(e.binary))
			if err != nil {
				return err
			}
			e.Body = event.Body{Ref: &ref}
		}
		o.Emit = append(o.Emit, e.Emit)
	}

	o.Output = a.wrap(event.Body{Inline: c.rest}, c.rest)
	if c.completeStep != nil {
		step := valueOr(c.completeStep, o.Output)
		o.Output, o.CompleteStep = step, &step
	}
	if c.completeRun != nil {
		run := valueOr(c.completeRun, o.Output)
		o.CompleteRun = &run
	}
	return nil
}

// valueOr is a completion's value; true stands for the default body.
func valueOr(raw json.RawMessage, standard event.Body) event.Body {
	if bytes.Equal(raw, []byte("true")) {
		return standard
	}
	return event.Body{Inline: raw}
}

// printed is the default body of output that is text.
func printed(stdout []byte) json.RawMessage {
	key, value := "stdout", string(stdout)
	if !utf8.Valid(stdout) {
		key, value = "stdout_base64", base64.StdEncoding.EncodeToString(stdout)
	}
	return encodeLine(map[string]string{key: value})
}

// stepKeys are what a foreign step result consists of.
var stepKeys = []string{"outputs", "artifacts", "metrics", "status"}

// wrap gives the default body the shape that the node's bundle expects.
func (a *attempt) wrap(b event.Body, said json.RawMessage) event.Body {
	if a.w.Node.Executor.Wrapper != "mirrorneuron" {
		return b
	}
	id := encodeLine(a.w.Node.ID)
	if fields, err := fieldsOf(said); said != nil && err == nil && hasAll(fields, stepKeys) {
		out := []member{{"agent_id", id}}
		for _, key := range stepKeys {
			out = append(out, member{key, fields[key]})
		}
		return event.Body{Inline: object(out)}
	}
	stdout := a.logs.stdout.kept.String()
	stderr := a.logs.stderr.kept.String()
	ran := encodeLine(map[string]any{
		"stdout": strings.ToValidUTF8(stdout, "\uFFFD"), "stderr": strings.ToValidUTF8(stderr, "\uFFFD"),
		"exit_code": 0, "attempts": a.w.Attempt.Number,
	})
	return event.Body{Inline: object([]member{{"agent_id", id}, {"sandbox", ran}, {"input", a.body.json}})}
}

// hasAll reports whether an object has all of some keys.
func hasAll(fields map[string]json.RawMessage, keys []string) bool {
	return !slices.ContainsFunc(keys, func(k string) bool { _, ok := fields[k]; return !ok })
}

// encodeLine writes a value of ours as JSON.
func encodeLine(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // only strings, numbers and maps of them
	}
	return raw
}

// sortedKeys are the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
