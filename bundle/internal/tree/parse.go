package tree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// The bounds of a document.
const (
	maxDepth = 100
	maxKey   = 1024 // bytes
)

// Parse reads one JSON document. File is only a name for the problems; a
// document with problems has no node.
func Parse(file string, data []byte) (*Node, fault.Problems) {
	if p := syntax(file, data); p != nil {
		return nil, fault.Problems{*p}
	}
	p := &parser{data: data, reader: Reader{File: file}, cursor: cursor{data: data, line: 1, column: 1}}
	p.space()
	root := p.value(nil, "", 0)
	if len(p.reader.problems) > 0 {
		return nil, p.reader.Problems()
	}
	return root, nil
}

// syntax returns what keeps data from being one JSON value.
func syntax(file string, data []byte) *fault.Problem {
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return &fault.Problem{File: file, Reason: "is empty", Fix: "it must hold one JSON object"}
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return problemAt(file, data, 0, "starts with a byte order mark", "save it as plain UTF-8")
	case !utf8.Valid(data):
		return problemAt(file, data, invalidUTF8(data), "is not UTF-8", "save it as UTF-8")
	}
	var raw json.RawMessage
	var bad *json.SyntaxError
	if err := json.Unmarshal(data, &raw); errors.As(err, &bad) {
		offset := int(bad.Offset)
		if !strings.HasPrefix(bad.Error(), "unexpected end") {
			offset--
		}
		if strings.Contains(bad.Error(), "after top-level value") {
			return problemAt(file, data, offset, "more data after the end of the JSON value", "a manifest is one object; remove what follows it")
		}
		return problemAt(file, data, offset, "broken JSON: "+bad.Error(), "")
	}
	return nil
}

// invalidUTF8 is the offset of the first byte that is not UTF-8.
func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(data)
}

func problemAt(file string, data []byte, offset int, reason, fix string) *fault.Problem {
	c := cursor{data: data, line: 1, column: 1}
	c.advance(min(max(offset, 0), len(data)))
	return &fault.Problem{File: file, Line: c.line, Column: c.column, Reason: reason, Fix: fix}
}

// cursor is a place in the document. It only moves forward, so that a
// document of one long line costs no more than one of many short ones.
type cursor struct {
	data         []byte
	offset       int
	line, column int
}

// advance moves to an offset.
func (c *cursor) advance(to int) {
	for ; c.offset < to; c.offset++ {
		switch b := c.data[c.offset]; {
		case b == '\n':
			c.line, c.column = c.line+1, 1
		case utf8.RuneStart(b):
			c.column++
		}
	}
}

// parser walks a document whose syntax has been checked.
type parser struct {
	cursor
	data   []byte
	reader Reader
}

// space skips white space and the punctuation between values.
func (p *parser) space() {
	to := p.offset
	for to < len(p.data) && strings.IndexByte(" \t\r\n,:", p.data[to]) >= 0 {
		to++
	}
	p.advance(to)
}

// here returns a node that starts at the cursor.
func (p *parser) here(parent *Node, step string) *Node {
	return &Node{Line: p.line, Column: p.column, Offset: p.offset, parent: parent, step: step}
}

func (p *parser) value(parent *Node, step string, depth int) *Node {
	n := p.here(parent, step)
	switch p.data[p.offset] {
	case '{':
		n.Kind, n.keys = Object, map[string]bool{}
		p.container(n, depth, p.member)
	case '[':
		n.Kind = Array
		p.container(n, depth, p.item)
	case '"':
		n.Kind = String
		p.advance(p.stringEnd())
		n.Text = decode(p.data[n.Offset:p.offset])
	default:
		p.advance(p.literalEnd())
		n.Text = string(p.data[n.Offset:p.offset])
		n.Kind = literalKind(n.Text)
	}
	n.Raw = p.data[n.Offset:p.offset]
	return n
}

// container reads the parts of an object or an array. Beyond the greatest
// depth it skips the rest of the document and notes a problem.
func (p *parser) container(n *Node, depth int, part func(*Node, int)) {
	if depth >= maxDepth {
		p.reader.Add(n, fmt.Sprintf("nested more than %d deep", maxDepth), "")
		p.advance(len(p.data))
		return
	}
	p.advance(p.offset + 1)
	for p.space(); p.more(); p.space() {
		part(n, depth+1)
	}
	p.advance(min(p.offset+1, len(p.data)))
}

// more reports whether another part of a container follows.
func (p *parser) more() bool {
	return p.offset < len(p.data) && p.data[p.offset] != '}' && p.data[p.offset] != ']'
}

func (p *parser) item(n *Node, depth int) {
	n.Items = append(n.Items, p.value(n, strconv.Itoa(len(n.Items)), depth))
}

func (p *parser) member(n *Node, depth int) {
	at := p.here(n, "")
	p.advance(p.stringEnd())
	key := decode(p.data[at.Offset:p.offset])
	at.step = key

	if len(key) > maxKey {
		at.step = key[:32] + "…"
		p.reader.Add(at, fmt.Sprintf("a key longer than %d bytes", maxKey), "")
	}
	p.space()
	v := p.value(n, at.step, depth)
	n.Members = append(n.Members, Member{Key: key, At: at, Value: v})
	if n.keys[key] {
		p.reader.Add(at, fmt.Sprintf("key %s is given twice", Quote(key)), "keep one of them")
	}
	n.keys[key] = true
}

// stringEnd is the offset after the string that starts at the cursor.
func (p *parser) stringEnd() int {
	for i := p.offset + 1; ; i++ {
		switch p.data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// literalEnd is the offset after the number, boolean or null at the cursor.
func (p *parser) literalEnd() int {
	end := bytes.IndexAny(p.data[p.offset:], " \t\r\n,:]}")
	if end < 0 {
		return len(p.data)
	}
	return p.offset + end
}

func literalKind(text string) Kind {
	switch text {
	case "null":
		return Null
	case "true", "false":
		return Bool
	}
	return Number
}

// decode returns the string that a JSON string literal stands for.
func decode(literal []byte) string {
	var s string
	if err := json.Unmarshal(literal, &s); err != nil {
		panic("tree: a checked string does not decode: " + err.Error())
	}
	return s
}
