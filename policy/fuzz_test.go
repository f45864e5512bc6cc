package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte(fullYAML))
	for _, row := range badInputs {
		if len(row.text) < 1024 {
			f.Add([]byte(row.text))
		}
	}
	for _, p := range awkward {
		var b bytes.Buffer
		if err := p.Print(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
		data, err := json.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse("f", data)
		if err != nil {
			checkProblems(t, p, err)
			return
		}
		if err := p.Validate(); err != nil {
			t.Fatalf("Parse took what Validate refuses: %v", err)
		}
		if diff := cmp.Diff(p, reparse(t, p)); diff != "" {
			t.Fatalf("printed and parsed: %s", diff)
		}
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var back Policy
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if diff := cmp.Diff(p, back); diff != "" {
			t.Fatalf("through JSON: %s", diff)
		}
	})
}

// checkProblems holds what every refusal promises.
func checkProblems(t *testing.T, p Policy, err error) {
	t.Helper()
	if diff := cmp.Diff(Policy{}, p); diff != "" {
		t.Fatalf("a policy came with an error: %s", diff)
	}
	var ps fault.Problems
	if !errors.As(err, &ps) || len(ps) == 0 || len(ps) > maxProblems+1 {
		t.Fatalf("the error is not a list of problems: %v", err)
	}
	for _, problem := range ps {
		line := problem.String()
		for _, b := range []byte(line) {
			if b < ' ' || b == 0x7f {
				t.Fatalf("a message carries control characters: %q", line)
			}
		}
	}
}
