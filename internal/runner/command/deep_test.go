package command

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
)

// deep is JSON that nests n arrays.
func deep(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func TestDecode_bodyThatClaimsToBeJSONIsCheckedLikeJSON(t *testing.T) {
	for name, body := range map[string]string{
		"deep": deep(10_000), "not JSON": "{", "a repeated key": `{"a":1,"a":2}`, "not UTF-8": "\"\xff\"",
	} {
		raw, err := json.Marshal(map[string]any{"emit_messages": []any{map[string]any{
			"type": "m", "content_type": "application/json", "body_base64": base64.StdEncoding.EncodeToString([]byte(body)),
		}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := new(decoder).decode(raw); err == nil || !strings.Contains(err.Error(), "body_base64") {
			t.Errorf("%s: decode = %v, want it refused", name, err)
		}
	}
}

// What an earlier version let in must not end the process that meets it.
func TestRun_bodyNestedTooDeeplyFailsTheAttempt(t *testing.T) {
	b := newBench(t, prints("{}", "", 0), nil)
	b.work.Message.Body = event.Body{Inline: json.RawMessage(deep(20_000))}
	o := b.run()
	want(t, "cause", []string{string(o.Status), o.Cause}, []string{"failed", "start"})
}

func TestRun_contractFilesDoNotGrowWithTheDepth(t *testing.T) {
	b := newBench(t, prints("{}", "", 0), nil)
	body := strings.Repeat("[", 60) + "1" + strings.Repeat(",1", 50_000) + strings.Repeat("]", 60)
	b.work.Message.Body = event.Body{Inline: json.RawMessage(body)}
	want(t, "status", b.run().Status, event.Succeeded)
	if got := len(b.read("work/" + messageFile)); got > len(body)+2000 {
		t.Errorf("a body of %d bytes makes a message file of %d", len(body), got)
	}
}

func TestRun_aDefectFailsItsAttemptAndNothingElse(t *testing.T) {
	b := newBench(t, func(ctx context.Context, req sandbox.Request, stdout, stderr io.Writer) (sandbox.Result, error) {
		panic("boom")
	}, nil)
	o := b.run()
	want(t, "cause", []string{string(o.Status), o.Cause, o.Reason}, []string{"failed", "start", "defect in the runner: boom"})
}
