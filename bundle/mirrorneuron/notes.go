package mirrorneuron

import (
	"fmt"

	"github.com/bulkhead-dev/bulkhead/bundle/internal/tree"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// notes gathers warnings. The same thing in many places is one warning, at
// the first place, with the number of them.
type notes struct {
	order []string
	byKey map[string]*note
}

type note struct {
	problem fault.Problem
	places  int
}

// maxNotes bounds what a hostile manifest can make us print.
const maxNotes = 200

// add notes something at n. Key says what it is: notes of one key are one.
func (s *notes) add(n *tree.Node, key, reason string) {
	if known, ok := s.byKey[key]; ok {
		known.places++
		return
	}
	if len(s.order) >= maxNotes {
		return
	}
	if s.byKey == nil {
		s.byKey = map[string]*note{}
	}
	s.order = append(s.order, key)
	s.byKey[key] = &note{problem: fault.Problem{Pointer: n.Pointer(), Line: n.Line, Column: n.Column, Reason: reason}, places: 1}
}

// problems are the notes in the order in which they came up.
func (s *notes) problems(file string) fault.Problems {
	var all fault.Problems
	for _, key := range s.order {
		n := s.byKey[key]
		p := n.problem
		p.File = file
		if n.places > 1 {
			p.Reason += fmt.Sprintf(" (in %d places, this is the first)", n.places)
		}
		all = append(all, p)
	}
	return all
}

// keyTable says of each key of an object why it has no effect; "" for keys
// that are read elsewhere, and for those that only inform people.
type keyTable map[string]string

// rest warns of the keys of an object that are not read.
func (l *lowering) rest(n *tree.Node, known keyTable) {
	for _, m := range n.Members {
		why, ok := known[m.Key]
		switch {
		case ok && why == "", empty(m.Value):
		case ok:
			l.notes.add(m.At, "key "+m.Key, m.Key+" has no effect: "+why)
		default:
			l.notes.add(m.At, "key "+m.Key, fmt.Sprintf("%s is not a known key and has no effect", tree.Quote(m.Key)))
		}
	}
}

// empty reports whether a value says nothing: null, false, [] and {}.
func empty(n *tree.Node) bool {
	return n.Kind == tree.Null || n.Text == "false" && n.Kind == tree.Bool ||
		n.Kind == tree.Array && len(n.Items) == 0 || n.Kind == tree.Object && len(n.Members) == 0
}
