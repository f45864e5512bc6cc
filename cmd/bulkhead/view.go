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
	return &live{out: p.err, size: func() (int, int, error) { return term.GetSize(int(f.Fd())) }, now: time.Now}
}

// silent shows nothing.
type silent struct{}

func (silent) event(*apiv1.Event) {}
func (silent) job(*apiv1.Job)     {}
func (silent) wantsJob() bool     { return false }
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
func (lines) job(*apiv1.Job) {}
func (lines) wantsJob() bool { return false }
func (lines) close()         {}

// frame is the least time between two drawings of the table.
const frame = 100 * time.Millisecond

// live draws a table of nodes over itself.
type live struct {
	out  io.Writer
	size func() (width, height int, err error)
	now  func() time.Time

	mu     sync.Mutex // guards below
	drawn  time.Time
	lines  int // on the screen now
	closed bool
	denied []string // the last refusals
}

func (l *live) event(e *apiv1.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.GetKind() == "policy.denied" {
		l.denied = append(l.denied, eventLine(e))
	}
	if strings.HasPrefix(e.GetKind(), "job.") {
		l.drawn = time.Time{} // draw at once
	}
}

func (l *live) wantsJob() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.closed && l.now().Sub(l.drawn) >= frame
}

// job draws where the job stands: one write, so that nothing flickers.
func (l *live) job(j *apiv1.Job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.drawn = l.now()
	width, height, err := l.size()
	if err != nil || width <= 0 {
		width, height = 80, 24
	}
	rows := l.rows(j, height-1)

	var b strings.Builder
	if l.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", l.lines) // up to the first line
	}
	for _, row := range rows {
		b.WriteString("\r" + cut(row, width-2) + "\x1b[K\n") // and clear what is left of it
	}
	b.WriteString("\x1b[J") // and of the lines below
	_, _ = io.WriteString(l.out, b.String())
	l.lines = len(rows)
}

// rows are the lines of a drawing, at most height of them.
func (l *live) rows(j *apiv1.Job, height int) []string {
	rows := []string{fmt.Sprintf("job %s  %s  %s", j.GetJobId(), j.GetStatus(), milliseconds(j.GetDurationMs()))}
	rows = append(rows, nodeTable(j.GetNodes()).lines()...)
	if len(rows) > height && height > 1 {
		hidden := len(rows) - height + 1
		rows = append(rows[:height-1], fmt.Sprintf("… and %d more nodes", hidden))
	}
	for i := max(0, len(l.denied)-3); i < len(l.denied) && len(rows) < height; i++ {
		rows = append(rows, l.denied[i])
	}
	return rows
}

// close leaves the last drawing on the screen.
func (l *live) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
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
