package policy

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// Print writes the policy as YAML that Parse reads back to the same policy.
// What is zero is left out, so the zero policy prints as {}.
func (p Policy) Print(w io.Writer) error {
	n, err := p.tree()
	if err != nil {
		return err
	}
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
