package main

import (
	"strings"
	"testing"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
)

func TestLogPrinter_printsEachByteOnce(t *testing.T) {
	var out strings.Builder
	l := &logPrinter{raw: true}
	p := program{out: &out}
	chunk := func(node, text string) {
		t.Helper()
		if err := l.print(&apiv1.LogChunk{Node: node, Attempt: 1, Stream: "stdout", Text: text}); err != nil {
			t.Fatal(err)
		}
	}

	l.begin(p)
	chunk("a", "one ")
	chunk("b", "two ")
	chunk("a", "thr")
	l.begin(p) // the holder left; the next one begins again
	chunk("a", "one three ")
	chunk("b", "two ")
	chunk("b", "four")
	if want := "one two three four"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}

func TestLogPrinter_headsEachStream(t *testing.T) {
	var out strings.Builder
	l := &logPrinter{}
	l.begin(program{out: &out})
	for _, c := range []*apiv1.LogChunk{
		{Node: "a", Attempt: 1, Stream: "stdout", Text: "no end"},
		{Node: "a", Attempt: 1, Stream: "stderr", Text: "\x1b[2J\n"},
		{Node: "a", Attempt: 1, Stream: "stderr", Text: "more\n"},
	} {
		if err := l.print(c); err != nil {
			t.Fatal(err)
		}
	}
	want := "==> a attempt 1 stdout <==\nno end\n==> a attempt 1 stderr <==\n\\x1b[2J\nmore\n"
	if out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}
