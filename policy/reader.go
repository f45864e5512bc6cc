package policy

import (
	"fmt"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

const (
	maxProblems = 100  // told about one text
	maxKept     = 1000 // gathered before they are put in order
)

// value is a part of the document and where it stands.
type value struct {
	node    *yaml.Node
	pointer string
}

// reader gathers every problem of one document.
type reader struct {
	problems fault.Problems
	more     int                   // problems beyond maxKept
	broken   map[string]bool       // pointers that have a problem
	places   map[string]*yaml.Node // where each value stands
}

func newReader() *reader {
	return &reader{broken: map[string]bool{}, places: map[string]*yaml.Node{}}
}

// report notes a problem of a value, one for each place.
func (r *reader) report(v value, bad *flaw) {
	p := bad.at(v.pointer)
	p.Line, p.Column = v.node.Line, v.node.Column
	r.add(p)
}

// add notes a problem unless its place has one: the first is the cause.
func (r *reader) add(p fault.Problem) {
	if r.broken[p.Pointer] {
		return
	}
	r.broken[p.Pointer] = true
	r.keep(p)
}

// keep keeps a problem, or only counts it when there are too many.
func (r *reader) keep(p fault.Problem) {
	if len(r.problems) == maxKept {
		r.more++
		return
	}
	r.problems = append(r.problems, p)
}

// locate gives problems that know only a pointer their line and column.
func (r *reader) locate(problems fault.Problems) {
	for _, p := range problems {
		if n := r.places[p.Pointer]; n != nil {
			p.Line, p.Column = n.Line, n.Column
		}
		r.add(p)
	}
}

// isKind says whether v is a mapping or a list as asked, and reports if not.
func (r *reader) isKind(v value, kind yaml.Kind, what string) bool {
	if v.node.Kind == kind {
		return true
	}
	r.report(v, expects(what, v.node))
	return false
}

// pairs walks the entries of a mapping. A key written twice is a problem, and
// then the first counts.
func (r *reader) pairs(v value, visit func(key string, keyNode *yaml.Node, val value)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		key := v.node.Content[i]
		at := value{v.node.Content[i+1], pointer(v.pointer, key.Value)}
		first, twice := seen[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge":
			r.report(value{key, at.pointer}, &flaw{"a key must be a plain name", "write the entries out"})
		case twice:
			r.repeat(value{key, at.pointer}, first)
		default:
			seen[key.Value] = key.Line
			r.places[at.pointer] = at.node
			visit(key.Value, key, at)
		}
	}
}

// repeat reports a key that is written twice, also where the first entry has
// a problem of its own.
func (r *reader) repeat(key value, first int) {
	bad := &flaw{fmt.Sprintf("the key is written twice, first on line %d", first), "keep one"}
	p := bad.at(key.pointer)
	p.Line, p.Column = key.node.Line, key.node.Column
	r.keep(p)
}

// unknown reports a key that is not in the table, with the nearest that is.
func (r *reader) unknown(key value, name string, known []string) {
	if len(r.problems) == maxKept {
		r.more++ // the search for the nearest key costs too much for so many
		return
	}
	bad := &flaw{reason: "unknown key " + quote(name), fix: "known here: " + strings.Join(known, ", ")}
	if near := fault.Nearest(clip(name), known); near != "" {
		bad.fix = fmt.Sprintf("did you mean %q?", near)
	}
	r.report(key, bad)
}

// list reads a list of texts.
func (r *reader) list(v value) []string {
	if !r.isKind(v, yaml.SequenceNode, "a list of texts") {
		return nil
	}
	var all []string
	for i, n := range v.node.Content {
		at := value{n, pointerIndex(v.pointer, i)}
		r.places[at.pointer] = n
		s, bad := texts.read(n)
		if bad != nil {
			r.report(at, bad)
		}
		all = append(all, s)
	}
	return all
}

// finish orders the problems by place, bounds them, and names the file.
func (r *reader) finish(file string) fault.Problems {
	ps := r.problems
	sort.SliceStable(ps, func(i, j int) bool {
		if ps[i].Line != ps[j].Line {
			return ps[i].Line < ps[j].Line
		}
		return ps[i].Column < ps[j].Column
	})
	if more := len(ps) - maxProblems; more > 0 {
		ps = append(ps[:maxProblems:maxProblems], fault.Problem{Reason: fmt.Sprintf("%d more problems", more+r.more)})
	}
	for i := range ps {
		ps[i].File = file
	}
	return ps
}
