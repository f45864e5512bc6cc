package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
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

// screen is a small terminal: it understands what live writes, and nothing else.
type screen struct {
	rows []string
	at   int
}

func (s *screen) Write(b []byte) (int, error) {
	text := string(b)
	for text != "" {
		switch {
		case strings.HasPrefix(text, "\x1b["):
			end := strings.IndexAny(text, "AJK")
			if text[end] == 'A' {
				n := 0
				for _, d := range text[2:end] {
					n = n*10 + int(d-'0')
				}
				s.at -= n
			}
			if text[end] == 'J' {
				s.rows = s.rows[:s.at]
			}
			text = text[end+1:]
		case text[0] == '\r':
			text = text[1:]
			end := strings.IndexAny(text, "\x1b\n")
			for len(s.rows) <= s.at {
				s.rows = append(s.rows, "")
			}
			s.rows[s.at] = text[:end]
			text = text[end:]
		case text[0] == '\n':
			s.at++
			text = text[1:]
		default:
			panic("unexpected " + text)
		}
	}
	return len(b), nil
}

// tableJob is a job with n nodes.
func tableJob(n int, detail string) *apiv1.Job {
	j := &apiv1.Job{JobId: "j", Status: "running"}
	for range n {
		j.Nodes = append(j.Nodes, &apiv1.NodeStatus{Node: "node", Kind: "executor", Status: "running", Detail: detail})
	}
	return j
}

func newLive(s *screen, width, height int) *live {
	now := time.Unix(0, 0)
	return &live{
		out:  s,
		size: func() (int, int, error) { return width, height, nil },
		now:  func() time.Time { now = now.Add(frame); return now },
	}
}

func TestLive_drawsOverItself(t *testing.T) {
	s := new(screen)
	l := newLive(s, 200, 24)
	for n := range 5 {
		l.job(tableJob(n+1, ""))
	}
	l.job(tableJob(2, "end"))
	if len(s.rows) != 4 || !strings.HasSuffix(s.rows[3], "end") {
		t.Errorf("screen =\n%s", strings.Join(s.rows, "\n"))
	}
}

func TestLive_fitsTheTerminal(t *testing.T) {
	s := new(screen)
	l := newLive(s, 40, 10)
	l.job(tableJob(100, strings.Repeat("日", 100)))
	if len(s.rows) > 9 {
		t.Errorf("%d rows on a screen of 10", len(s.rows))
	}
	for _, row := range s.rows {
		if w := columns(row); w > 40 {
			t.Errorf("row has %d columns: %q", w, row)
		}
	}
	if last := s.rows[len(s.rows)-1]; !strings.Contains(last, "more nodes") {
		t.Errorf("last row = %q", last)
	}
}

func columns(s string) int {
	n := 0
	for _, r := range s {
		if n++; r > 127 {
			n++
		}
	}
	return n
}

func TestLive_showsTheLastRefusals(t *testing.T) {
	s := new(screen)
	l := newLive(s, 200, 24)
	for _, name := range []string{"one", "two", "three", "four\x1b"} {
		l.event(&apiv1.Event{Kind: "policy.denied", Name: name})
	}
	l.job(tableJob(1, ""))
	text := strings.Join(s.rows, "\n")
	if strings.Contains(text, "one") || !strings.Contains(text, `four\x1b`) {
		t.Errorf("screen =\n%s", text)
	}
}

func TestLive_drawsNothingAfterClose(t *testing.T) {
	s := new(screen)
	l := newLive(s, 80, 24)
	l.close()
	l.job(tableJob(1, ""))
	if l.wantsJob() || len(s.rows) != 0 {
		t.Errorf("drew %q", s.rows)
	}
}
