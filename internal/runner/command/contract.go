package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"time"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// The files of the contract, in the work folder.
const (
	inputFile   = "mirror_neuron_input.json"
	messageFile = "mirror_neuron_message.json"
	contextFile = "mirror_neuron_context.json"
	bodyFile    = "mirror_neuron_body.bin"
)

// contractFile reports whether a path in the work folder belongs to the contract.
func contractFile(name string) bool {
	switch path.Clean(name) {
	case inputFile, messageFile, contextFile, bodyFile:
		return true
	}
	return false
}

// maxBody is the size of the largest body that a worker is given, in bytes.
const maxBody = 64 << 20

// body is what a message carries.
type body struct {
	raw  []byte // as it is
	json []byte // as JSON
	typ  string // media type
}

// contract writes the files of the contract.
func (a *attempt) contract(ctx context.Context) error {
	var err error
	if a.body, err = a.readBody(ctx, a.w.Message.Body); err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	work, err := os.OpenRoot(a.work())
	if err != nil {
		return err
	}
	defer work.Close()

	message, err1 := encode(a.message())
	about, err2 := encode(a.context())
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	files := []struct {
		name string
		data []byte
	}{
		{inputFile, a.body.json},
		{bodyFile, a.body.raw},
		{messageFile, message},
		{contextFile, about},
	}
	for _, f := range files {
		err = errors.Join(err, writeFrom(work, f.name, bytes.NewReader(f.data), 0o644))
	}
	return err
}

// readBody reads a body, inline or from its blob.
func (a *attempt) readBody(ctx context.Context, b event.Body) (body, error) {
	if b.Ref == nil {
		raw := b.Inline
		if len(raw) == 0 {
			raw = json.RawMessage("null")
		}
		return body{raw: raw, json: raw, typ: event.JSONType}, nil
	}
	if b.Ref.Size > maxBody {
		return body{}, fault.Newf(fault.Exhausted, "the body has %d bytes, the most is %d", b.Ref.Size, maxBody)
	}
	r, err := a.r.opt.Blobs.Blob(ctx, *b.Ref)
	if err != nil {
		return body{}, err
	}
	raw, err := io.ReadAll(io.LimitReader(r, maxBody+1))
	if err := errors.Join(err, r.Close()); err != nil {
		return body{}, err
	}
	if b.Ref.Type == event.JSONType && json.Valid(raw) {
		return body{raw: raw, json: raw, typ: event.JSONType}, nil
	}
	return body{raw: raw, json: event.Binary(raw, b.Ref.Type), typ: b.Ref.Type}, nil
}

// envelope is the address of a message in the form mn-msg/1.
type envelope struct {
	Spec        string `json:"spec_version"`
	ID          string `json:"message_id"`
	Job         string `json:"job_id"`
	From        string `json:"from"`
	To          string `json:"to"`
	Type        string `json:"type"`
	Class       string `json:"class"`
	Time        string `json:"timestamp"`
	Correlation string `json:"correlation_id"`
	Causation   string `json:"causation_id,omitempty"`
	Attempt     int    `json:"attempt"`
	Priority    int    `json:"priority"`
	ContentType string `json:"content_type"`
	Encoding    string `json:"content_encoding"`
}

// message is the whole message, for mirror_neuron_message.json.
func (a *attempt) message() any {
	m := a.w.Message
	e := envelope{
		Spec: "mn-msg/1", ID: string(m.ID), Job: string(a.w.Job), From: string(m.From), To: string(m.To),
		Type: m.Type, Class: "event", Time: stamp(a.w.Attempt.Started), Correlation: m.Correlation,
		Causation: string(m.Causation), Attempt: a.w.Attempt.Number, Priority: 100,
		ContentType: a.body.typ, Encoding: "identity",
	}
	if m.From == "" {
		e.From, e.Class = "runtime", "command"
	}
	headers := map[string]any{}
	if m.Failure != nil {
		headers["bulkhead.failure"] = m.Failure
	}
	return struct {
		Envelope  envelope        `json:"envelope"`
		Headers   map[string]any  `json:"headers"`
		Body      json.RawMessage `json:"body"`
		Artifacts []any           `json:"artifacts"`
		Stream    any             `json:"stream"`
	}{e, headers, a.body.json, []any{}, nil}
}

// context is what the worker may know about its attempt.
func (a *attempt) context() any {
	state := json.RawMessage("null")
	if len(a.w.State) > 0 {
		state = a.w.State
	}
	return map[string]any{
		"job_id": a.w.Job, "job_name": a.w.JobName, "agent_id": a.w.Node.ID, "node_id": a.w.Node.ID,
		"agent_type": a.w.Node.Kind, "template_type": "generic", "agent_state": state,
		"invocation": a.w.Invocation, "attempt": a.w.Attempt.Number, "lost": a.w.Attempt.Lost,
		"idempotency_key": a.idempotencyKey(), "failure": a.w.Message.Failure,
		"timestamp": stamp(a.w.Attempt.Started),
		"workflow": map[string]any{
			"run_id": a.w.Job, "step_id": a.w.Node.ID, "attempt_id": a.attemptID(), "attempt": a.w.Attempt.Number,
			"deadline_at": a.deadline(), "idempotency_key": a.idempotencyKey(),
		},
	}
}

// idempotencyKey is the same for every attempt at one message.
func (a *attempt) idempotencyKey() string {
	return string(a.w.Job) + ":" + string(a.w.Node.ID) + ":" + string(a.w.Message.ID)
}

// attemptID names the attempt.
func (a *attempt) attemptID() string {
	return fmt.Sprintf("%s:attempt:%d", a.w.Node.ID, a.w.Attempt.Number)
}

// deadline is when the attempt will be ended; nil when it may take for ever.
func (a *attempt) deadline() any {
	if a.policy.Limits.WallTime == 0 {
		return nil
	}
	return stamp(a.w.Attempt.Started.Add(a.policy.Limits.WallTime))
}

// stamp is a time for workers.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// encode writes a value of ours, with what workers said in it, as one line of
// JSON. It fails when that is nested too deeply. Indentation would multiply
// the size of a deep value by its depth.
func encode(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "encode: %w", err)
	}
	return append(raw, '\n'), nil
}

// foreign reports whether the graph comes from another project's manifest.
func foreign(g *bundle.Graph) bool { return g.Dialect != "" && g.Dialect != bundle.Native }
