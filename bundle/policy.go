package bundle

import (
	"errors"
	"reflect"
	"strings"

	"github.com/bulkhead-dev/bulkhead/bundle/internal/tree"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// policy reads a policy that stands in the manifest. A policy that is written
// is never zero, even if it grants nothing: it names the layer. So a node's
// own {} replaces the graph's and does not inherit it.
func (d *decoder) policy(n *tree.Node) policy.Policy {
	p, err := policy.ParseAt(d.File, n.Pointer(), n.Raw)
	if err == nil {
		if p.Layer == "" {
			p.Layer = policy.Native
		}
		return p
	}
	var problems fault.Problems
	if !errors.As(err, &problems) {
		d.Add(n, err.Error(), "")
	}
	for _, problem := range problems {
		place, _ := n.Locate(strings.TrimPrefix(problem.Pointer, n.Pointer()), nil)
		problem.Line, problem.Column = place.Line, place.Column
		d.Note(problem)
	}
	return policy.Policy{}
}

// PolicyOf is what an executor node requests: its own policy, or the graph's
// when it has none.
func (g *Graph) PolicyOf(n *Node) policy.Policy {
	if n.Executor == nil || reflect.ValueOf(n.Executor.Policy).IsZero() {
		return g.Policy
	}
	return n.Executor.Policy
}
