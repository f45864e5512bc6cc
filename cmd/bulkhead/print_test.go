package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestPrintable_letsNothingReachTheTerminal(t *testing.T) {
	rows := []struct{ name, in, want string }{
		{"plain", "héllo wörld 日本 😀", "héllo wörld 日本 😀"},
		{"lines and tabs", "a\n\tb", "a\n\tb"},
		{"colour", "\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		{"clipboard", "\x1b]52;c;aGk=\a", `\x1b]52;c;aGk=\x07`},
		{"carriage return", "real\rfake", `real\x0dfake`},
		{"backspace and delete", "a\bb\x7f", `a\x08b\x7f`},
		{"single byte csi", "\u009b31m", `\u009b31m`},
		{"raw csi byte", "\x9b31m", `\x9b31m`},
		{"right to left", "a\u202eb", `a\u202eb`},
		{"invisible", "a\u200bb\ufeff", `a\u200bb\ufeff`},
		{"nul", "a\x00b", `a\x00b`},
		{"half a rune", "a\xc3", `a\xc3`},
		{"a real replacement character", "a\uFFFDb", "a\uFFFDb"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if got := printable(row.in); got != row.want {
				t.Errorf("printable(%q) = %q, want %q", row.in, got, row.want)
			}
		})
	}
}

func FuzzPrintable(f *testing.F) {
	for _, s := range []string{"", "a\n", "\x1b[0m", "\xff", "\u202e", "\uFFFD\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := printable(s)
		if strings.ContainsFunc(got, unsafeRune) || strings.ToValidUTF8(got, "") != got {
			t.Errorf("printable(%q) = %q", s, got)
		}
		if again := printable(got); again != got {
			t.Errorf("printable(%q) = %q", got, again)
		}
		if line := oneLine(s); strings.ContainsAny(line, "\n\t") {
			t.Errorf("oneLine(%q) = %q", s, line)
		}
	})
}

func TestComplain_marksEveryLine(t *testing.T) {
	var err bytes.Buffer
	program{err: &err}.complain("one\ntwo\x1b\n")
	if want := "bulkhead: one\nbulkhead: two\\x1b\n"; err.String() != want {
		t.Errorf("complain printed %q, want %q", err.String(), want)
	}
}

func TestTable_alignsColumns(t *testing.T) {
	got := table{{"A", "B", "C"}, {"long é", "", "x\x1b"}, {"", "y", ""}}.String()
	want := "A       B  C\nlong é     x\\x1b\n        y\n"
	if got != want {
		t.Errorf("table =\n%q\nwant\n%q", got, want)
	}
}

func TestShellWord_readsBackAsItself(t *testing.T) {
	rows := []struct{ in, want string }{
		{"/plain/path", "/plain/path"},
		{"", "''"},
		{"two words", "'two words'"},
		{"it's", `'it'\''s'`},
		{"$HOME", "'$HOME'"},
	}
	for _, row := range rows {
		if got := shellWord(row.in); got != row.want {
			t.Errorf("shellWord(%q) = %s, want %s", row.in, got, row.want)
		}
	}
}
