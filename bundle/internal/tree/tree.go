// Package tree reads JSON into nodes that know where they stand, so that
// every problem with a value can name its line, its column and its pointer.
//
// It is stricter than encoding/json: a key that is given twice, bytes that
// are not UTF-8 and very deep nesting are problems.
package tree

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Kind is the type of a JSON value.
type Kind int

// The kinds of values.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

// String says the kind with its article, for sentences.
func (k Kind) String() string {
	return [...]string{"null", "a boolean", "a number", "a string", "an array", "an object"}[k]
}

// Node is a value in a document. It is read-only after Parse.
type Node struct {
	Kind    Kind
	Line    int             // of the first byte of the value, from 1
	Column  int             // in characters, from 1
	Offset  int             // in bytes, from 0
	Raw     json.RawMessage // the value's own text; shares memory with the document
	Text    string          // the string itself, or the literal of a number or boolean
	Items   []*Node         // of an array
	Members []Member        // of an object, in the order of the document

	parent *Node
	step   string          // key or index in parent
	keys   map[string]bool // of an object; a key given twice is a problem
}

// Member is a key of an object and its value.
type Member struct {
	Key   string
	At    *Node // where the key stands; for problems only
	Value *Node
}

// Get returns the value of a key, or nil.
func (n *Node) Get(key string) *Node {
	if n == nil {
		return nil
	}
	for _, m := range n.Members {
		if m.Key == key {
			return m.Value
		}
	}
	return nil
}

// Pointer is the node's JSON pointer (RFC 6901); empty for the whole document.
func (n *Node) Pointer() string {
	var steps []string
	for at := n; at.parent != nil; at = at.parent {
		steps = append(steps, Escape(at.step))
	}
	var b strings.Builder
	for i := len(steps) - 1; i >= 0; i-- {
		b.WriteString("/" + steps[i])
	}
	return b.String()
}

// Escape writes a key as a step of a JSON pointer. Keys are hostile text:
// what does not print is written as \u and its number, and such a pointer is
// for people only.
func Escape(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(printable(key))
}

// unescape is the inverse of Escape.
func unescape(step string) string {
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
}

// Locate follows a pointer as far as it goes. It returns the node where it
// ends, which is the one meant or its closest ancestor that exists, and the
// pointer in the document's own words: a step that an object does not have is
// looked up under its other names first. Those of "/key" are for a key of the
// document's own object.
func (n *Node) Locate(pointer string, otherNames map[string][]string) (*Node, string) {
	at, b := n, strings.Builder{}
	steps := strings.Split(pointer, "/")[1:]
	for i, step := range steps {
		next, name := at.child(unescape(step), otherNames)
		switch {
		case next == nil && at.Kind != Object && at.Kind != Array:
			return at, b.String()
		case next == nil:
			return at, b.String() + "/" + strings.Join(append([]string{Escape(name)}, steps[i+1:]...), "/")
		}
		b.WriteString("/" + Escape(name))
		at = next
	}
	return at, b.String()
}

// child returns the part of n that a step leads to and its name there; nil
// and the name that it would have when there is none.
func (n *Node) child(step string, otherNames map[string][]string) (*Node, string) {
	if n.Kind == Array {
		i, err := strconv.Atoi(step)
		if err != nil || i < 0 || i >= len(n.Items) {
			return nil, step
		}
		return n.Items[i], step
	}
	names := append(slices.Clip(otherNames[step]), step)
	if n.parent == nil {
		names = append(slices.Clip(otherNames["/"+step]), step)
	}
	for _, name := range names {
		if v := n.Get(name); v != nil {
			return v, name
		}
	}
	return nil, names[0]
}
