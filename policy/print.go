package policy

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// Print writes the policy as YAML that Parse reads back to the same policy.
// What is zero is left out, so the zero policy prints as {}.
func (p Policy) Print(w io.Writer) error {
	return p.PrintNoted(w, nil)
}

// PrintNoted is Print with comments at the ends of lines, by the JSON pointer
// of the value.
func (p Policy) PrintNoted(w io.Writer, notes map[string]string) error {
	n, err := p.tree()
	if err != nil {
		return err
	}
	comment(n, "", notes)
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	if err := e.Encode(n); err != nil {
		return fmt.Errorf("print policy: %w", err)
	}
	return e.Close()
}

// MarshalYAML gives the policy's text form to another YAML document.
func (p Policy) MarshalYAML() (any, error) { return p.tree() }

// tree is the policy as YAML, keys in the order of the struct.
func (p Policy) tree() (*yaml.Node, error) {
	data, err := json.Marshal(p)
	if err != nil {
		return nil, fault.Newf(fault.Internal, "print policy: %w", err)
	}
	n := jsonTree(data)
	n.Line, n.Column = 0, 0
	style(n)
	return n, nil
}

// comment puts notes where they belong. A note is one line whatever it says.
func comment(n *yaml.Node, at string, notes map[string]string) {
	if note := notes[at]; note != "" {
		n.LineComment = "# " + strings.TrimSpace(strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return ' '
			}
			return r
		}, note))
	}
	for i, child := range n.Content {
		switch {
		case n.Kind == yaml.SequenceNode:
			comment(child, pointerIndex(at, i), notes)
		case n.Kind == yaml.MappingNode && i%2 == 1:
			comment(child, pointer(at, n.Content[i-1].Value), notes)
		}
	}
}

// plainText needs no quotes in YAML, unless it reads as another type: the
// encoder sees to that.
var plainText = regexp.MustCompile(`^[A-Za-z0-9_./~$][A-Za-z0-9_./~$-]*$`)

// style quotes every text that is not plainly plain.
func style(n *yaml.Node) {
	if n.Tag == "!!str" && !plainText.MatchString(n.Value) {
		n.Style = yaml.DoubleQuotedStyle
	}
	for _, child := range n.Content {
		style(child)
	}
}
