package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// MaxSize is the size in bytes of the largest policy text that is read.
const MaxSize = 1 << 20

// maxDepth bounds how deep a document nests; a policy needs four levels.
const maxDepth = 16

// parseTree reads one YAML or JSON document into a tree. A text that is
// complete JSON is read as JSON, because YAML would refuse some of its
// escapes and its tabs.
func parseTree(data []byte) (*yaml.Node, *fault.Problem) {
	switch {
	case len(data) > MaxSize:
		return nil, &fault.Problem{Reason: fmt.Sprintf("the text has %d bytes; at most %d are read", len(data), MaxSize)}
	case !utf8.Valid(data):
		return nil, &fault.Problem{Reason: "the text is not UTF-8"}
	case json.Valid(data):
		return jsonTree(data), nil
	}
	return yamlTree(data)
}

// yamlTree reads exactly one YAML document.
func yamlTree(data []byte) (*yaml.Node, *fault.Problem) {
	d := yaml.NewDecoder(bytes.NewReader(data))

	var doc, second yaml.Node
	err := decodeYAML(d, &doc)
	if errors.Is(err, io.EOF) {
		return nil, &fault.Problem{Reason: "the policy is empty", Fix: "write {} for a policy that grants nothing"}
	}
	if err != nil {
		return nil, syntaxProblem(err)
	}

	err = decodeYAML(d, &second)
	if err == nil {
		return nil, &fault.Problem{Line: second.Line, Column: second.Column, Reason: "a second document begins here", Fix: "keep one policy in a file"}
	}
	if !errors.Is(err, io.EOF) {
		return nil, syntaxProblem(err)
	}
	if len(doc.Content) != 1 {
		return nil, &fault.Problem{Reason: "the document is not one value"}
	}
	return doc.Content[0], nil
}

// decodeYAML turns a panic of the YAML library into an error: a hostile text
// must never stop the program.
func decodeYAML(d *yaml.Decoder, n *yaml.Node) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("yaml: the text cannot be read: %v", v)
		}
	}()
	return d.Decode(n)
}

// yamlMessage is the form of the YAML library's syntax errors.
var yamlMessage = regexp.MustCompile(`^yaml: (?:line (\d+)(?:, column (\d+))?: )?((?s:.*))$`)

// syntaxProblem keeps what the YAML library knows about a broken text.
func syntaxProblem(err error) *fault.Problem {
	m := yamlMessage.FindStringSubmatch(err.Error())
	if m == nil {
		return &fault.Problem{Reason: "broken YAML: " + clip(err.Error())}
	}
	line, _ := strconv.Atoi(m[1]) // empty: 0, unknown
	column, _ := strconv.Atoi(m[2])
	return &fault.Problem{Line: line, Column: column, Reason: "broken YAML: " + clip(m[3])}
}

// unwelcome finds what a policy may not contain in any place: anchors,
// aliases, merge keys, explicit tags, keys that are not plain, and depth.
func (r *reader) unwelcome(v value, depth int) {
	n := v.node
	switch {
	case depth > maxDepth:
		r.report(v, &flaw{fmt.Sprintf("nests deeper than %d levels", maxDepth), ""})
		return
	case n.Kind == yaml.AliasNode:
		r.report(v, &flaw{"aliases are not allowed", "write the value out"})
		return
	case n.Anchor != "":
		r.report(v, &flaw{"anchors are not allowed", "write the value out where it is used"})
	case n.Style&yaml.TaggedStyle != 0:
		r.report(v, &flaw{fmt.Sprintf("the tag %s is not allowed", quote(n.Tag)), "remove it"})
	}
	for i, child := range n.Content {
		r.unwelcome(childOf(v, i, child), depth+1)
	}
}

// childOf is a key, a value or an element of v with its pointer.
func childOf(v value, i int, child *yaml.Node) value {
	if v.node.Kind == yaml.MappingNode {
		return value{child, pointer(v.pointer, v.node.Content[i&^1].Value)}
	}
	return value{child, pointerIndex(v.pointer, i)}
}
