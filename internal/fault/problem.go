package fault

import (
	"fmt"
	"strings"
)

// Problem is one thing wrong with an input: where, what and why, and the fix.
type Problem struct {
	File    string // the file, as the user named it; empty for flags and requests
	Pointer string // JSON pointer (RFC 6901) into the document; empty means the whole
	Line    int    // from 1; 0 means unknown
	Column  int    // from 1; 0 means unknown
	Reason  string // what is wrong
	Fix     string // what to do; empty means that the reason says it
}

// String is one line: file:line:column: pointer: reason (fix).
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
			if p.Column > 0 {
				fmt.Fprintf(&b, ":%d", p.Column)
			}
		}
		b.WriteString(": ")
	}
	if p.Pointer != "" {
		b.WriteString(p.Pointer + ": ")
	}
	b.WriteString(p.Reason)
	if p.Fix != "" {
		b.WriteString("; " + p.Fix)
	}
	return b.String()
}

// Problems is every problem of an input at once. As an error its kind is
// Invalid. A nil or empty list means that the input is fine: use Err.
type Problems []Problem

// Error lists the problems, one a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Err returns nil when there are no problems.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}
