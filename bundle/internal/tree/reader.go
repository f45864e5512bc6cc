package tree

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// maxProblems bounds what a hostile document can make us print.
const maxProblems = 200

// Reader takes typed values out of nodes and gathers what is wrong with them.
// Its methods accept a nil node, which stands for a value that is not given:
// they leave the target as it is. The zero Reader is ready.
type Reader struct {
	File  string            // for the problems
	Homes map[string]string // where a key belongs that stands where it is unknown: "it belongs in …"

	problems fault.Problems
	left     int // problems that were too many to keep
}

// Add notes a problem with a node.
func (r *Reader) Add(n *Node, reason, fix string) {
	if r.Full() {
		r.left++
		return
	}
	r.Note(fault.Problem{Pointer: n.Pointer(), Line: n.Line, Column: n.Column, Reason: reason, Fix: fix})
}

// Note notes a problem; the reader fills in the file.
func (r *Reader) Note(p fault.Problem) {
	if r.Full() {
		r.left++
		return
	}
	p.File = r.File
	r.problems = append(r.problems, p)
}

// Full reports whether no more problems are kept, so that nobody needs to
// look for what to say.
func (r *Reader) Full() bool { return len(r.problems) >= maxProblems }

// AtMost reports whether an array has no more items than it may; more are a
// problem. What n holds (nodes, edges) appears in it.
func (r *Reader) AtMost(n *Node, most int, what string) bool {
	if n == nil || len(n.Items) <= most {
		return true
	}
	r.Add(n, fmt.Sprintf("has %d %s; at most %d are allowed", len(n.Items), what, most), "")
	return false
}

// Problems returns everything that was noted; nil when all is well.
func (r *Reader) Problems() fault.Problems {
	if r.left == 0 {
		return r.problems
	}
	rest := fault.Problem{File: r.File, Reason: fmt.Sprintf("and %d more problems", r.left)}
	return append(slices.Clip(r.problems), rest)
}

// Fields hands each member of an object to the function of its key. A key
// that has none is a problem that names the nearest key. What n is (a node, an
// edge) appears in the problem.
func (r *Reader) Fields(n *Node, what string, fields map[string]func(*Node)) {
	if !r.Is(n, Object) {
		return
	}
	for _, m := range n.Members {
		if read, ok := fields[m.Key]; ok {
			read(m.Value)
			continue
		}
		r.Add(m.At, fmt.Sprintf("unknown key %s in %s", Quote(m.Key), what), r.fix(m.Key, fields))
	}
}

// fix says where an unknown key belongs, or what was meant.
func (r *Reader) fix(key string, fields map[string]func(*Node)) string {
	if home := r.Homes[key]; home != "" {
		return home
	}
	return Hint(key, fields)
}

// maxNamed is how many names are looked through for the one that was meant.
const maxNamed = 2000

// Hint names the key that was meant, or all keys when they are few.
func Hint[K ~string, V any](got string, known map[K]V) string {
	if len(known) > maxNamed {
		return ""
	}
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, Clip(string(name)))
	}
	slices.Sort(names)
	if near := Nearest(got, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	all := strings.Join(names, ", ")
	if all == "" || len(all) > 400 {
		return ""
	}
	return "known: " + all
}

// Nearest is the name that was meant, or "". Hostile input may have many and
// long names: beyond a bound on the work it does not look.
func Nearest(got string, names []string) string {
	work := 0
	for _, name := range names {
		work += len(got) * len(name)
	}
	if work > 1<<19 {
		return ""
	}
	return fault.Nearest(strings.ToLower(got), names)
}

// Is reports whether n is given and has the kind; another kind is a problem.
func (r *Reader) Is(n *Node, want Kind) bool {
	if n == nil {
		return false
	}
	if n.Kind != want {
		r.Add(n, fmt.Sprintf("must be %s, is %s", want, n.Kind), "")
		return false
	}
	return true
}

// Each calls read for each item of an array.
func (r *Reader) Each(n *Node, read func(i int, item *Node)) {
	if !r.Is(n, Array) {
		return
	}
	for i, item := range n.Items {
		read(i, item)
	}
}

// String reads a string.
func (r *Reader) String(n *Node, to *string) {
	if r.Is(n, String) {
		*to = n.Text
	}
}

// Bool reads a boolean.
func (r *Reader) Bool(n *Node, to *bool) {
	if r.Is(n, Bool) {
		*to = n.Text == "true"
	}
}

// Int reads a whole number from lowest to highest.
func (r *Reader) Int(n *Node, lowest, highest int, to *int) {
	if !r.Is(n, Number) {
		return
	}
	v, err := strconv.ParseFloat(n.Text, 64)
	if err != nil || v != math.Trunc(v) || v < float64(lowest) || v > float64(highest) {
		r.Add(n, fmt.Sprintf("must be a whole number from %d to %d, is %s", lowest, highest, Clip(n.Text)), "")
		return
	}
	*to = int(v)
}

// Float reads a number from lowest to highest.
func (r *Reader) Float(n *Node, lowest, highest float64, to *float64) {
	if !r.Is(n, Number) {
		return
	}
	v, err := strconv.ParseFloat(n.Text, 64)
	if err != nil || v < lowest || v > highest {
		r.Add(n, fmt.Sprintf("must be a number from %s to %s, is %s", plain(lowest), plain(highest), Clip(n.Text)), "")
		return
	}
	*to = v
}

// plain is a number without an exponent.
func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// Strings reads an array of strings. An empty array gives an empty slice.
func (r *Reader) Strings(n *Node, to *[]string) {
	list := []string{}
	r.Each(n, func(_ int, item *Node) {
		var s string
		r.String(item, &s)
		list = append(list, s)
	})
	if n != nil && n.Kind == Array {
		*to = list
	}
}

// Duration reads a duration such as "30s"; it may not be negative.
func (r *Reader) Duration(n *Node, to *time.Duration) {
	if n == nil {
		return
	}
	if n.Kind == Number {
		r.Add(n, "must be a string with a unit, is a number", fmt.Sprintf("write %q for seconds", Clip(n.Text)+"s"))
		return
	}
	if !r.Is(n, String) {
		return
	}
	d, err := time.ParseDuration(n.Text)
	switch {
	case err != nil:
		r.Add(n, fmt.Sprintf("%s is not a duration", Quote(n.Text)), `write a number and a unit, such as "500ms", "30s", "5m" or "1h30m"`)
	case d < 0:
		r.Add(n, fmt.Sprintf("must not be negative, is %s", d), "")
	default:
		*to = d
	}
}

// Clip shortens a text that goes into a message, and writes what does not
// print as \u and its number.
func Clip(s string) string { return printable(clip(s)) }

// Quote is a text in quotes, shortened, without control characters.
func Quote(s string) string { return strconv.Quote(clip(s)) }

func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// printable is a text in which everything prints.
func printable(s string) string {
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func hidden(r rune) bool { return !strconv.IsPrint(r) }
