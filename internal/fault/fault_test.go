package fault

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestNewf_keepsTheCause(t *testing.T) {
	err := Newf(Unavailable, "read history: %w", io.ErrUnexpectedEOF)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is lost")
	}
	if got, want := err.Error(), "read history: unexpected EOF"; got != want {
		t.Errorf("Error = %q, want %q", got, want)
	}
}

func TestKindOf(t *testing.T) {
	denied := New(Denied, "policy forbids network")
	for _, row := range []struct {
		name string
		err  error
		want Kind
	}{
		{"no error is ok", nil, OK},
		{"an error that nobody classified is ours", io.EOF, Internal},
		{"a fault", denied, Denied},
		{"a wrapped fault", fmt.Errorf("start: %w", denied), Denied},
		{"the outer fault wins", Newf(Unsupported, "start: %w", denied), Unsupported},
		{"problems are invalid input", Problems{{Reason: "x"}}, Invalid},
		{"wrapped problems too", fmt.Errorf("load: %w", Problems{{Reason: "x"}}), Invalid},
		{"joined with another error", errors.Join(io.EOF, denied), Denied},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := KindOf(row.err); got != row.want {
				t.Errorf("KindOf = %v, want %v", got, row.want)
			}
		})
	}
}

func TestWithHint_leavesTheOriginalAsItWas(t *testing.T) {
	plain := New(Denied, "no")
	hinted := plain.WithHint("add --read %s", "/x")
	if plain.Hint != "" {
		t.Errorf("Hint of the original = %q, want none", plain.Hint)
	}
	if got, want := hinted.Hint, "add --read /x"; got != want {
		t.Errorf("Hint = %q, want %q", got, want)
	}
	if hinted.Kind != Denied || hinted.Error() != "no" {
		t.Errorf("the copy is %v %q, want denied %q", hinted.Kind, hinted, "no")
	}
}

func TestHintOf(t *testing.T) {
	hinted := New(Denied, "no").WithHint("ask")
	for _, row := range []struct {
		name string
		err  error
		want string
	}{
		{"no error has none", nil, ""},
		{"a plain error has none", io.EOF, ""},
		{"a fault without one", New(Denied, "no"), ""},
		{"a fault with one", hinted, "ask"},
		{"behind a wrapper", fmt.Errorf("start: %w", hinted), "ask"},
		{"behind a fault without one", Newf(Failed, "run: %w", hinted), "ask"},
		{"the outer hint wins", Newf(Failed, "run: %w", hinted).WithHint("outer"), "outer"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := HintOf(row.err); got != row.want {
				t.Errorf("HintOf = %q, want %q", got, row.want)
			}
		})
	}
}

func TestProblem_isOneLine(t *testing.T) {
	for _, row := range []struct {
		name string
		p    Problem
		want string
	}{
		{"all of it", Problem{"a.yaml", "/x", 3, 7, "unknown key", "remove it"}, "a.yaml:3:7: /x: unknown key; remove it"},
		{"without a column", Problem{File: "a.yaml", Line: 3, Reason: "broken"}, "a.yaml:3: broken"},
		{"without a line", Problem{File: "a.yaml", Column: 9, Reason: "empty"}, "a.yaml: empty"},
		{"without a file the line means nothing", Problem{Pointer: "/x", Line: 3, Reason: "bad"}, "/x: bad"},
		{"only a reason", Problem{Reason: "bad"}, "bad"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := row.p.String(); got != row.want {
				t.Errorf("String = %q, want %q", got, row.want)
			}
		})
	}
}

func TestProblems_errIsNilOnlyWhenThereAreNone(t *testing.T) {
	if err := (Problems{}).Err(); err != nil {
		t.Errorf("Err of no problems = %v, want nil", err)
	}
	err := Problems{{Reason: "one"}, {Reason: "two"}}.Err()
	if err == nil || err.Error() != "one\ntwo" {
		t.Errorf("Err = %v, want both on a line each", err)
	}
}
