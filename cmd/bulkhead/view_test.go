package main

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/structpb"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
)

// screen is a small terminal: it understands what a board writes, and nothing else.
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

func newBoard(s *screen, width, height int) *board {
	return &board{out: s, size: func() (int, int, error) { return width, height, nil }}
}

func TestBoard_drawsOverItself(t *testing.T) {
	s := new(screen)
	l := newBoard(s, 200, 24)
	for n := range 5 {
		l.job(tableJob(n+1, ""))
	}
	l.job(tableJob(2, "end"))
	if len(s.rows) != 4 || !strings.HasSuffix(s.rows[3], "end") {
		t.Errorf("screen =\n%s", strings.Join(s.rows, "\n"))
	}
}

func TestBoard_fitsTheTerminal(t *testing.T) {
	s := new(screen)
	l := newBoard(s, 40, 10)
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

func TestBoard_showsTheLastRefusals(t *testing.T) {
	s := new(screen)
	b := newBoard(s, 200, 24)
	for _, object := range []string{"one", "two", "three", "four\x1b"} {
		data, err := structpb.NewValue(map[string]any{"operation": "open", "object": object, "step": "wall", "count": 2})
		if err != nil {
			t.Fatal(err)
		}
		b.event(&apiv1.Event{Kind: "policy.denied", Node: "n", Data: data})
	}
	b.job(tableJob(1, ""))
	text := strings.Join(s.rows, "\n")
	if strings.Contains(text, "one") || !strings.Contains(text, `n denied: open four\x1b (wall) ×2`) {
		t.Errorf("screen =\n%s", text)
	}
}

func TestBoard_drawsNothingAfterClose(t *testing.T) {
	s := new(screen)
	b := newBoard(s, 80, 24)
	b.close()
	b.job(tableJob(1, ""))
	if len(s.rows) != 0 {
		t.Errorf("drew %q", s.rows)
	}
}

func TestViewFor_drawsOnTerminalsOnly(t *testing.T) {
	p := program{err: new(strings.Builder), getenv: func(string) string { return "" }}
	if _, ok := p.viewFor(p.root()).(lines); !ok {
		t.Error("no lines without a terminal")
	}
	root := p.root()
	if err := root.ParseFlags([]string{"--json"}); err != nil {
		t.Fatal(err)
	}
	if _, ok := p.viewFor(root).(silent); !ok {
		t.Error("not silent with --json")
	}
}
