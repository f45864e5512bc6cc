package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
)

// viewFor chooses how the command shows a job on stderr: a table on a
// terminal, lines elsewhere, nothing with --json.
func (p program) viewFor(cmd *cobra.Command) view {
	if wantsJSON(cmd) {
		return silent{}
	}
	f := terminal(p.err)
	if f == nil || p.getenv("TERM") == "dumb" {
		return lines{p}
	}
	return &board{out: p.err, size: func() (int, int, error) { return term.GetSize(int(f.Fd())) }}
}

// silent shows nothing.
type silent struct{}

func (silent) event(*apiv1.Event) {}
func (silent) live() bool         { return false }
func (silent) job(*apiv1.Job)     {}
func (silent) close()             {}

// lines shows each event that tells something on a line of its own.
type lines struct{ program }

// uninteresting are the kinds that only fill the screen.
var uninteresting = map[string]bool{
	"message.delivered": true, "timer.set": true, "timer.fired": true,
	"permit.waiting": true, "permit.granted": true,
}

func (l lines) event(e *apiv1.Event) {
	if !uninteresting[e.GetKind()] {
		fmt.Fprintln(l.err, eventLine(e))
	}
}
func (lines) live() bool     { return false }
func (lines) job(*apiv1.Job) {}
func (lines) close()         {}

// frame is the time between two drawings of the board.
const frame = 100 * time.Millisecond

// board draws a table of nodes over itself.
type board struct {
	out  io.Writer
	size func() (width, height int, err error)

	mu     sync.Mutex // guards below
	lines  int        // on the screen now
	closed bool
	denied []string // the refusals so far
}

// event remembers refusals; the rest shows in the table.
func (b *board) event(e *apiv1.Event) {
	if e.GetKind() != "policy.denied" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.denied = append(b.denied, oneLine(e.GetNode())+" "+denialLine(denialOf(e.GetData())))
}

func (b *board) live() bool { return true }

// job draws where the job stands: one write, so that nothing flickers.
func (b *board) job(j *apiv1.Job) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	width, height, err := b.size()
	if err != nil || width <= 0 {
		width, height = 80, 24
	}
	rows := b.rows(j, height-1)

	var text strings.Builder
	if b.lines > 0 {
		fmt.Fprintf(&text, "\x1b[%dA", b.lines) // up to the first line
	}
	for _, row := range rows {
		text.WriteString("\r" + cut(row, width-2) + "\x1b[K\n") // and clear what is left of it
	}
	text.WriteString("\x1b[J") // and of the lines below
	_, _ = io.WriteString(b.out, text.String())
	b.lines = len(rows)
}

// rows are the lines of a drawing, at most height of them.
func (b *board) rows(j *apiv1.Job, height int) []string {
	rows := []string{fmt.Sprintf("job %s  %s  %s", j.GetJobId(), j.GetStatus(), milliseconds(j.GetDurationMs()))}
	rows = append(rows, nodeTable(j.GetNodes()).lines()...)
	if len(rows) > height && height > 1 {
		hidden := len(rows) - height + 1
		rows = append(rows[:height-1], fmt.Sprintf("… and %d more nodes", hidden))
	}
	for i := max(0, len(b.denied)-3); i < len(b.denied) && len(rows) < height; i++ {
		rows = append(rows, b.denied[i])
	}
	return rows
}

// close leaves the last drawing on the screen.
func (b *board) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}

// cut shortens a line to the columns of a terminal. Letters beyond ASCII may
// take two.
func cut(s string, width int) string {
	used := 0
	for i, r := range s {
		if used++; r > unicode.MaxASCII {
			used++
		}
		if used > width {
			return s[:i] + "…"
		}
	}
	return s
}
