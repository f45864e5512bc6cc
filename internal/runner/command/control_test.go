package command

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/event"
)

func TestFind(t *testing.T) {
	rows := []struct{ name, in, object string }{
		{"whole", "\n {\"a\":\n1} \n", "{\"a\":\n1}"},
		{"last line", "x\n{\"a\":1}", `{"a":1}`},
		{"of several", "{\"a\":1}\n{\"b\":2}\n", `{"b":2}`},
		{"text after it", "{\"a\":1}\ndone", `{"a":1}`},
		{"carriage returns", "x\r\n{\"a\":1}\r\n", `{"a":1}`},
		{"array", "[1]", ""},
		{"number", "7", ""},
		{"not JSON", "{oops}", ""},
		{"object over several lines after text", "x\n{\n\"a\":1}\n", ""},
		{"empty", "", ""},
		{"only lines", "\n\n\n", ""},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			want(t, "object", string(find([]byte(row.in)).object), row.object)
		})
	}
}

func TestDecode_refuses(t *testing.T) {
	deep := strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1)
	many := `{"emit_messages":[` + strings.TrimSuffix(strings.Repeat(`{"type":"x"},`, maxEmit+1), ",") + `]}`
	rows := []struct{ name, in, reason string }{
		{"repeated key", `{"a":1,"a":2}`, `the key "a" is repeated`},
		{"repeated key below", `{"a":[{"b":1,"b":2}]}`, `the key "b" is repeated`},
		{"repeated key after a nested object", `{"a":{"c":1},"b":2,"a":3}`, `the key "a" is repeated`},
		{"UTF-8", "{\"a\":\"\xff\"}", "not UTF-8"},
		{"depth", `{"a":` + deep + `}`, "nested deeper"},
		{"events", `{"events":1}`, "not a list"},
		{"event", `{"events":[1]}`, "events: 0: it is not an object"},
		{"event without type", `{"events":[{"payload":1}]}`, "type is missing"},
		{"event with a number as type", `{"events":[{"type":1}]}`, "type: it is not a string"},
		{"event with an empty type", `{"events":[{"type":""}]}`, "empty or has control"},
		{"event with a line break", `{"events":[{"type":"a\nb"}]}`, "control characters"},
		{"event with an unknown field", `{"events":[{"type":"a","x":1}]}`, `the field "x" is not known`},
		{"long type", `{"events":[{"type":"` + strings.Repeat("x", maxWord+1) + `"}]}`, "the most is 256"},
		{"large payload", `{"events":[{"type":"a","payload":"` + strings.Repeat("x", maxPayload) + `"}]}`, "the most is"},
		{"many messages", many, "the most is 1000"},
		{"two bodies", `{"emit_messages":[{"type":"a","body":1,"payload":2}]}`, "only one of"},
		{"bad base64", `{"emit_messages":[{"type":"a","body_base64":"%"}]}`, "body_base64"},
		{"unknown node", `{"emit_messages":[{"type":"a","to":"zz"}]}`, "no node"},
		{"unknown field", `{"emit_messages":[{"type":"a","tpye":"b"}]}`, "not known"},
		{"state", `{"next_state":"` + strings.Repeat("x", maxState) + `"}`, "the most is"},
		{"fail", `{"fail":true}`, "not an object"},
		{"fail with a wrong flag", `{"fail":{"retryable":"yes"}}`, "neither true nor false"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			d := &decoder{nodes: map[event.NodeID]bool{"n": true}}
			_, err := d.decode([]byte(row.in))
			if err == nil || !strings.Contains(err.Error(), row.reason) {
				t.Errorf("decode = %v, want %q", err, row.reason)
			}
		})
	}
}

func TestDecode_nullIsNotGiven(t *testing.T) {
	c, err := new(decoder).decode([]byte(`{"events":null,"next_state":null,"emit_messages":null,"complete_step":null,"complete_run":null,"fail":null}`))
	if err != nil {
		t.Fatal(err)
	}
	want(t, "used, rest", fmt.Sprintf("%t %s", c.used, c.rest), "false {}")
}

func TestDecode_keepsTheRestInOrder(t *testing.T) {
	c, err := new(decoder).decode([]byte(`{"z":1,"events":[],"a":{"k":[1, 2]},"\u006d":3}`))
	if err != nil {
		t.Fatal(err)
	}
	want(t, "rest", string(c.rest), `{"z":1,"a":{"k":[1, 2]},"m":3}`)
}

func TestDecode_foreignNames(t *testing.T) {
	const text = `{"complete_job":{"r":1},"emit_messages":[{"type":"a","class":"event","headers":{},"whatever":1}]}`
	d := &decoder{foreign: true}
	c, err := d.decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want(t, "run", string(c.completeRun), `{"r":1}`)
	want(t, "warnings", c.warnings, []string{`the field "class" has no effect`, `the field "headers" has no effect`, `the field "whatever" has no effect`})

	c, err = new(decoder).decode([]byte(`{"complete_job":1}`))
	if err != nil {
		t.Fatal(err)
	}
	want(t, "here it is data", string(c.rest), `{"complete_job":1}`)
	want(t, "warnings", len(c.warnings), 1)
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"events":[{"type":"a","payload":{}}]}`, `{"fail":{"reason":"x","retryable":true}}`, `{"next_state":1,"x":[{}]}`,
		`{"emit_messages":[{"type":"a","to":"n","body":1},{"type":"b","body_base64":"AA=="}],"complete_run":true}`, "text\n{}\n", `{"a":1,"a":1}`,
	} {
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, foreign bool) {
		got := find(in)
		if got.object == nil {
			return
		}
		c, err := (&decoder{foreign: foreign, nodes: map[event.NodeID]bool{"n": true}}).decode(got.object)
		if err != nil {
			return
		}
		for _, raw := range []json.RawMessage{c.rest, c.nextState, c.completeRun, c.completeStep} {
			if raw != nil && !json.Valid(raw) {
				t.Errorf("%q is not JSON", raw)
			}
		}
		if len(c.events) > maxEvents || len(c.emit) > maxEmit || strict(c.rest) != nil {
			t.Errorf("bounds are broken by %q", in)
		}
		for _, e := range c.emit {
			if e.Type == "" || (e.To != "" && e.To != "n") || (e.binary == nil && !json.Valid(e.Body.Inline)) {
				t.Errorf("message %+v", e)
			}
		}
	})
}
