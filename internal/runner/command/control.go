package command

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/bulkhead-dev/bulkhead/event"
)

// The bounds of what a worker may say.
const (
	maxEvents  = 1000
	maxPayload = 256 << 10 // bytes, of one event
	maxEmit    = 1000
	maxMessage = 8 << 20 // bytes, of one message's body
	maxState   = 256 << 10
	maxWord    = 256 // bytes, of types, ids and the like
	maxReason  = 4 << 10
)

// control is what a worker's JSON object says.
type control struct {
	events       []event.WorkerEvent
	nextState    json.RawMessage
	emit         []emission
	completeStep json.RawMessage // nil: not given; true: with the default body
	completeRun  json.RawMessage
	fail         *failure
	rest         json.RawMessage // the object without the control keys
	used         bool            // some control key was given
	warnings     []string
}

// emission is a message that a worker sends.
type emission struct {
	event.Emit
	binary      []byte // the body when it is not JSON; nil: it is in Emit
	contentType string
}

// failure is a worker's own word that it failed.
type failure struct {
	reason    string
	retryable *bool
}

// decoder reads one control document.
type decoder struct {
	foreign bool                  // of another project's bundle: its keys are known too
	nodes   map[event.NodeID]bool // where a message may be sent; nil: anywhere
	c       control
	ignored map[string]bool
}

// keys are the control keys. Reading one is one function.
var keys = map[string]func(*decoder, json.RawMessage) error{
	"events":        (*decoder).events,
	"next_state":    (*decoder).nextState,
	"emit_messages": (*decoder).emitMessages,
	"complete_step": func(d *decoder, raw json.RawMessage) error { d.c.completeStep = raw; return sized(raw, maxMessage) },
	"complete_run":  func(d *decoder, raw json.RawMessage) error { d.c.completeRun = raw; return sized(raw, maxMessage) },
	"fail":          (*decoder).fail,
}

// foreignKeys are older names of control keys in another project's bundles.
var foreignKeys = map[string]string{"complete_job": "complete_run", "complete_job?": "complete_run"}

// decode reads a control document. Its error says what is malformed, and where.
func (d *decoder) decode(raw []byte) (control, error) {
	if err := strict(raw); err != nil {
		return control{}, err
	}
	ms, err := members(raw)
	if err != nil {
		return control{}, err
	}
	var rest []member
	for _, m := range ms {
		read, ok := keys[d.name(m.key)]
		if !ok {
			rest = append(rest, m)
			continue
		}
		if isNull(m.value) {
			continue
		}
		d.c.used = true
		if err := read(d, m.value); err != nil {
			return control{}, fmt.Errorf("%s: %w", m.key, err)
		}
	}
	d.c.rest = object(rest)
	if len(d.c.rest) > maxMessage {
		return control{}, fmt.Errorf("it has %d bytes beside the control keys, the most is %d", len(d.c.rest), maxMessage)
	}
	return d.c, nil
}

// name is the control key that a key stands for.
func (d *decoder) name(key string) string {
	name, old := foreignKeys[key]
	switch {
	case old && d.foreign:
		return name
	case old:
		d.c.warnings = append(d.c.warnings, fmt.Sprintf("%s is no control key; use %s", key, name))
	}
	return key
}

// events reads [{type, payload}].
func (d *decoder) events(raw json.RawMessage) error {
	return d.list(raw, maxEvents, func(fields map[string]json.RawMessage) error {
		var e event.WorkerEvent
		if err := d.fields(fields, map[string]field{
			"type":    {read: word(&e.Type), required: true},
			"payload": {read: content(&e.Payload, maxPayload)},
		}); err != nil {
			return err
		}
		d.c.events = append(d.c.events, e)
		return nil
	})
}

// emitMessages reads [{type, to, body, …}].
func (d *decoder) emitMessages(raw json.RawMessage) error {
	return d.list(raw, maxEmit, func(fields map[string]json.RawMessage) error {
		e := emission{contentType: "application/octet-stream"}
		var to, correlation, encoded string
		var payload json.RawMessage
		if err := d.fields(fields, map[string]field{
			"type":           {read: word(&e.Type), required: true},
			"to":             {read: word(&to)},
			"body":           {read: content(&e.Body.Inline, maxMessage)},
			"payload":        {read: content(&payload, maxMessage)},
			"body_base64":    {read: long(&encoded, maxMessage*4/3+4)},
			"correlation_id": {read: word(&correlation)},
			"content_type":   {read: word(&e.contentType)},
		}); err != nil {
			return err
		}
		e.To, e.Correlation = event.NodeID(to), correlation
		if err := e.choose(fields, payload, encoded); err != nil {
			return err
		}
		if e.To != "" && d.nodes != nil && !d.nodes[e.To] {
			return fmt.Errorf("to: there is no node %q", e.To)
		}
		d.c.emit = append(d.c.emit, e)
		return nil
	})
}

// choose takes the one body that was given; none is {}.
func (e *emission) choose(fields map[string]json.RawMessage, payload json.RawMessage, encoded string) error {
	given := 0
	for _, key := range []string{"body", "payload", "body_base64"} {
		if raw, ok := fields[key]; ok && !(key == "body_base64" && isNull(raw)) {
			given++
		}
	}
	_, binary := fields["body_base64"]
	switch {
	case given > 1:
		return errors.New("only one of body, payload and body_base64 may be given")
	case given == 0:
		e.Body.Inline = json.RawMessage("{}")
	case payload != nil:
		e.Body.Inline = payload
	case binary:
		raw, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return fmt.Errorf("body_base64: %w", err)
		}
		if e.contentType == event.JSONType {
			err := strict(raw) // others will read it as JSON
			if err == nil && !json.Valid(raw) {
				err = errors.New("it is not JSON")
			}
			if err != nil {
				return fmt.Errorf("body_base64: %w", err)
			}
		}
		e.binary = append([]byte{}, raw...)
	}
	return nil
}

// nextState reads what the node keeps between messages.
func (d *decoder) nextState(raw json.RawMessage) error {
	d.c.nextState = raw
	return sized(raw, maxState)
}

// fail reads {reason, retryable}.
func (d *decoder) fail(raw json.RawMessage) error {
	var f failure
	var retryable bool
	fields, err := fieldsOf(raw)
	if err != nil {
		return err
	}
	if err := d.fields(fields, map[string]field{
		"reason":    {read: long(&f.reason, maxReason)},
		"retryable": {read: boolean(&retryable)},
	}); err != nil {
		return err
	}
	if said, ok := fields["retryable"]; ok && !isNull(said) {
		f.retryable = &retryable
	}
	if f.reason == "" {
		f.reason = "the worker gave no reason"
	}
	d.c.fail = &f
	return nil
}

// ignoredKeys are fields of another project's messages that have no effect here.
var ignoredKeys = map[string]bool{
	"class": true, "headers": true, "causation_id": true, "content_encoding": true, "artifacts": true, "stream": true,
	"message_id": true, "priority": true, "ttl_ms": true,
}

// field is how one field of an object is read.
type field struct {
	read     func(json.RawMessage) error
	required bool
}

// fields reads the fields of an object by a table. A field that is not in it
// is malformed; in a foreign bundle it is named in a warning.
func (d *decoder) fields(got map[string]json.RawMessage, table map[string]field) error {
	for _, key := range sortedKeys(got) {
		f, ok := table[key]
		switch {
		case ok && isNull(got[key]) && key != "body" && key != "payload":
			continue
		case ok:
			if err := f.read(got[key]); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		case d.foreign || ignoredKeys[key]:
			d.ignore(key)
		default:
			return fmt.Errorf("the field %q is not known", clip(key, 64))
		}
	}
	for _, key := range sortedKeys(table) {
		if _, ok := got[key]; table[key].required && !ok {
			return fmt.Errorf("%s is missing", key)
		}
	}
	return nil
}

// ignore warns once about a field without effect.
func (d *decoder) ignore(key string) {
	if d.ignored == nil {
		d.ignored = map[string]bool{}
	}
	if !d.ignored[key] && len(d.ignored) < 16 {
		d.ignored[key] = true
		d.c.warnings = append(d.c.warnings, fmt.Sprintf("the field %q has no effect", clip(key, 64)))
	}
}

// list reads an array of objects.
func (d *decoder) list(raw json.RawMessage, most int, read func(map[string]json.RawMessage) error) error {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return errors.New("it is not a list")
	}
	if len(items) > most {
		return fmt.Errorf("it has %d entries, the most is %d", len(items), most)
	}
	for i, item := range items {
		fields, err := fieldsOf(item)
		if err == nil {
			err = read(fields)
		}
		if err != nil {
			return fmt.Errorf("%d: %w", i, err)
		}
	}
	return nil
}

// fieldsOf reads an object.
func fieldsOf(raw json.RawMessage) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil || fields == nil {
		return nil, errors.New("it is not an object")
	}
	return fields, nil
}

// sized refuses a value that is too large.
func sized(raw json.RawMessage, most int) error {
	if len(raw) > most {
		return fmt.Errorf("it has %d bytes, the most is %d", len(raw), most)
	}
	return nil
}

// content reads any JSON value of a bounded size.
func content(into *json.RawMessage, most int) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		*into = raw
		return sized(raw, most)
	}
}

// long reads a string of a bounded size.
func long(into *string, most int) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		if err := json.Unmarshal(raw, into); err != nil {
			return errors.New("it is not a string")
		}
		if len(*into) > most {
			return fmt.Errorf("it has %d bytes, the most is %d", len(*into), most)
		}
		return nil
	}
}

// word reads a short string on one line.
func word(into *string) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		if err := long(into, maxWord)(raw); err != nil {
			return err
		}
		if *into == "" || strings.ContainsFunc(*into, unicode.IsControl) {
			return errors.New("it is empty or has control characters")
		}
		return nil
	}
}

// boolean reads true or false.
func boolean(into *bool) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		if json.Unmarshal(raw, into) != nil {
			return errors.New("it is neither true nor false")
		}
		return nil
	}
}
