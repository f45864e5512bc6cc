// Package grant is what an operator allows the nodes of a bundle: a bundle's
// policy is a request, and what an attempt may touch is the request within
// the grants.
package grant

import (
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Grants is what the operator allows a bundle beyond the defaults. It is
// stored with the job; the values of variables are not, see Secrets. The zero
// Grants allows nothing.
type Grants struct {
	Policy     *policy.Policy // the most that any node may have; nil: only what follows
	Read       []string       // --read: folders and files, absolute
	Write      []string       // --write
	PassEnv    []string       // --pass-env: names of variables
	Memory     policy.Bytes   // --memory, of one attempt; 0: the default
	Timeout    time.Duration  // --timeout, of one attempt; 0: none
	TrustHost  bool           // --trust-host: nodes that ask for it run without a sandbox
	BestEffort bool           // --best-effort: start even if a wall is missing

	// Roots are where the paths above led when they were granted; see Pin.
	Roots policy.Roots
}

// Pin follows the symbolic links of the granted paths, once: what becomes of
// the links later moves no grant.
func (g Grants) Pin() (Grants, error) {
	most, err := policy.Resolve(g.ceiling(""), policy.Placement{Home: home()})
	if err != nil {
		return Grants{}, err
	}
	g.Roots = policy.RootsOf(most)
	return g, nil
}

// Names are the variables that workers may get, sorted.
func (g Grants) Names() []string {
	names := slices.Clone(g.PassEnv)
	if g.Policy != nil {
		names = append(names, g.Policy.Env.Pass...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Within is what a node may touch: its request within the grants. What it
// asks for beyond them comes back as excess and is not given.
//
// Errors: fault.Problems for paths that mean nothing here, and
// fault.Unsupported for a runner that no layer stands for.
func (g Grants) Within(graph *bundle.Graph, n *bundle.Node) (policy.Policy, []policy.Excess, error) {
	place := policy.Placement{Home: home()}
	wanted, err := request(graph, n)
	if err != nil {
		return policy.Policy{}, nil, err
	}
	wanted, err = policy.Resolve(wanted, place)
	if err != nil {
		return policy.Policy{}, nil, err
	}
	most, err := policy.Resolve(g.ceiling(wanted.Layer), place)
	if err != nil {
		return policy.Policy{}, nil, err
	}

	p, excess := policy.Narrow(most, wanted)
	p.BestEffort = p.BestEffort || g.BestEffort
	return p, excess, nil
}

// ceiling is the most that a node which wants a layer may have.
func (g Grants) ceiling(wanted policy.Layer) policy.Policy {
	var c policy.Policy
	if g.Policy != nil {
		c = g.Policy.Clone()
	}
	c.Filesystem.Read = append(c.Filesystem.Read, g.Read...)
	c.Filesystem.Write = append(c.Filesystem.Write, g.Write...)
	c.Env.Pass = append(c.Env.Pass, g.PassEnv...)
	if g.Memory > 0 {
		c.Limits.Memory = g.Memory
	}
	if g.Timeout > 0 {
		c.Limits.WallTime = g.Timeout
	}
	c.BestEffort = c.BestEffort || g.BestEffort
	// Only the flag opens the host, and only for nodes that ask for it by
	// name: a ceiling policy that says host does not.
	switch {
	case wanted == policy.Host && g.TrustHost:
		c.Layer = policy.Host
	case c.Layer == policy.Host:
		c.Layer = ""
	}
	return c
}

// request is what a node asks for: its policy, the layer of its runner, and
// its environment.
func request(graph *bundle.Graph, n *bundle.Node) (policy.Policy, error) {
	p := graph.PolicyOf(n).Clone()
	e := n.Executor
	if e == nil {
		return p, nil
	}
	layer, err := layerOf(e.Runner, p.Layer)
	if err != nil {
		return policy.Policy{}, fault.Newf(fault.Unsupported, "node %s: %w", n.ID, err)
	}
	p.Layer = layer
	for _, name := range e.PassEnv {
		if !slices.Contains(p.Env.Pass, name) {
			p.Env.Pass = append(p.Env.Pass, name)
		}
	}
	return p, nil
}

// layerOf is the layer that a runner stands for. The host is entered by the
// runner's name alone: a policy's layer cannot weaken a runner.
func layerOf(runner string, asked policy.Layer) (policy.Layer, error) {
	switch runner {
	case "", string(policy.Native):
		if asked == policy.Host {
			return policy.Native, nil
		}
		return asked, nil
	case string(policy.Host), string(policy.Wasm), string(policy.GVisor), string(policy.MicroVM):
		return policy.Layer(runner), nil
	}
	return "", fault.Newf(fault.Unsupported, "there is no runner %q", runner)
}

// Check refuses a graph that asks for more than was granted: a fault.Denied
// that names each node, and in its hint all the flags that would grant it.
func Check(graph *bundle.Graph, g Grants) error {
	var lines, flags []string
	for i := range graph.Nodes {
		n := &graph.Nodes[i]
		if n.Kind != bundle.Executor {
			continue
		}
		_, excess, err := g.Within(graph, n)
		if err != nil {
			return atNode(n, err)
		}
		for _, e := range excess {
			lines = append(lines, "node "+string(n.ID)+" "+e.String())
			if !slices.Contains(flags, e.Flag) {
				flags = append(flags, e.Flag)
			}
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return fault.New(fault.Denied, strings.Join(lines, "\n")).
		WithHint("read 'bulkhead blueprint review' first; to grant all of it: %s", strings.Join(flags, " "))
}

// atNode says in which node a policy is wrong.
func atNode(n *bundle.Node, err error) error {
	var problems fault.Problems
	if !errors.As(err, &problems) {
		return err
	}
	for i := range problems {
		problems[i].Pointer = n.Pointer + problems[i].Pointer
	}
	return problems
}

// home is the folder that ~ stands for; empty when there is none.
func home() string {
	dir, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return dir
}
