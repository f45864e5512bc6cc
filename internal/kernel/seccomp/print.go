//go:build linux

package seccomp

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Print writes the filter for a reviewer: the calls by what happens to them,
// then the rules with conditions in the order in which they are tried, then
// the rest.
func (f Filter) Print(w io.Writer) error {
	p := printer{w: w}
	p.line("seccomp filter %q", f.Name)
	p.line("  wrong architecture: kill")

	for _, action := range f.actions() {
		p.list(action, f.plain(action))
	}
	for _, r := range f.Rules {
		if f.branches(r.Call) {
			p.line("  %s%s: %v", r.Call, r.conditions(), r.Then)
		}
	}
	p.line("  every other call: %v", f.Otherwise)
	return p.err
}

// actions are the actions of calls without conditions, in order of first use.
func (f Filter) actions() []Action {
	var seen []Action
	for _, r := range f.Rules {
		if !f.branches(r.Call) && !slices.Contains(seen, r.Then) {
			seen = append(seen, r.Then)
		}
	}
	return seen
}

// plain are the names of calls that always get an action, sorted.
func (f Filter) plain(action Action) []string {
	var names []string
	for _, r := range f.Rules {
		if r.Then == action && !f.branches(r.Call) && !slices.Contains(names, r.Call) {
			names = append(names, r.Call)
		}
	}
	slices.Sort(names)
	return names
}

// branches says whether what happens to a call depends on its arguments.
func (f Filter) branches(call string) bool {
	first := slices.IndexFunc(f.Rules, func(r Rule) bool { return r.Call == call })
	return first >= 0 && len(f.Rules[first].When) > 0
}

// conditions is the rule's conditions as text: " [arg0 == 0x1 and arg2 == 0x0]".
func (r Rule) conditions() string {
	if len(r.When) == 0 {
		return ""
	}
	words := make([]string, len(r.When))
	for i, c := range r.When {
		words[i] = c.String()
	}
	return " [" + strings.Join(words, " and ") + "]"
}

// printer keeps the first error of several writes.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// list writes the names that share an action, a few to a line.
func (p *printer) list(action Action, names []string) {
	p.line("  %v (%d):", action, len(names))
	for part := range slices.Chunk(names, 8) {
		p.line("    %s", strings.Join(part, " "))
	}
}
