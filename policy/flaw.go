package policy

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// flaw is what is wrong with one value, before it is known where it stands.
type flaw struct {
	reason string
	fix    string // empty: the reason says it
}

// Error makes a flaw usable where an error is asked for.
func (f *flaw) Error() string {
	return fault.Problem{Reason: f.reason, Fix: f.fix}.String()
}

// at is the flaw as a problem of the value at a JSON pointer.
func (f *flaw) at(pointer string) fault.Problem {
	return fault.Problem{Pointer: pointer, Reason: f.reason, Fix: f.fix}
}

// maxQuoted bounds what is repeated of somebody's input, in bytes.
const maxQuoted = 80

// clip cuts a text that is too long for a message, between two letters.
func clip(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	n := maxQuoted
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// quote repeats input in a message; control characters come out as escapes.
func quote(s string) string { return strconv.Quote(clip(s)) }

// pointer is a JSON pointer one step deeper. The step may be hostile text.
func pointer(base, step string) string {
	q := quote(step)
	step = strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
	step = strings.ReplaceAll(step, "~", "~0")
	return base + "/" + strings.ReplaceAll(step, "/", "~1")
}

// pointerIndex is a JSON pointer to an element of a list.
func pointerIndex(base string, i int) string { return fmt.Sprintf("%s/%d", base, i) }
