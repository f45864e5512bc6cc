package policy

import (
	"go.yaml.in/yaml/v3"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// Parse reads a policy from YAML or JSON. The file's name is only for
// messages. It is strict: every problem of the text is in the error, a
// fault.Problems, each with line, column and JSON pointer; and with a problem
// there is no policy. An empty text is a problem; {} grants nothing.
func Parse(file string, data []byte) (Policy, error) {
	tree, bad := parseTree(data)
	if bad != nil {
		bad.File = file
		return Policy{}, fault.Problems{*bad}
	}
	p, r := read(value{tree, ""})
	return p, r.finish(file).Err()
}

// ParseAt reads a policy that is a part of another document, for example of a
// manifest. Pointers in problems begin with the given one; lines and columns
// count within data and are left out.
func ParseAt(file, pointer string, data []byte) (Policy, error) {
	tree, bad := parseTree(data)
	if bad != nil {
		return Policy{}, fault.Problems{{File: file, Pointer: pointer, Reason: bad.Reason, Fix: bad.Fix}}
	}
	p, r := read(value{tree, pointer})
	problems := r.finish(file)
	for i := range problems {
		problems[i].Line, problems[i].Column = 0, 0
	}
	return p, problems.Err()
}

// UnmarshalYAML reads a policy that stands in another YAML document, as
// strictly as Parse. It replaces what p held.
func (p *Policy) UnmarshalYAML(n *yaml.Node) error {
	got, r := read(value{n, ""})
	if err := r.finish("").Err(); err != nil {
		return err
	}
	*p = got
	return nil
}

// read turns a tree into a policy; with a problem the policy is zero.
func read(v value) (Policy, *reader) {
	r := newReader()
	r.unwelcome(v, 1)

	var p Policy
	readKeys(r, v, &p, root)
	r.locate(p.problems(v.pointer))
	if len(r.problems) > 0 {
		return Policy{}, r
	}
	return p, r
}
