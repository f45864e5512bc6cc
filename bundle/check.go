package bundle

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/bulkhead-dev/bulkhead/bundle/internal/tree"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// The words of a graph that have no type of their own.
const (
	RunnerNative  = "native"
	RunnerHost    = "host"
	FailJob       = "fail_job"
	Continue      = "continue"
	AcceptDone    = "done"
	AcceptFailed  = "failed"
	ModeBroadcast = "broadcast"
	ModeFirst     = "first_match"
	AnyType       = "*"
)

// The bounds of a graph.
const (
	MaxNodes    = 10_000
	MaxEdges    = 100_000
	MaxMessages = 10_000 // initial messages of all entrypoints together
)

// Ids become parts of paths, labels and keys. Names of inputs stand in ${…}.
var (
	idForm    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$`)
	inputForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,63}$`)
)

const idFix = "use 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter, a digit or _"

// checker looks for everything wrong with a graph. Its pointers lead into a
// manifest of our dialect.
type checker struct {
	graph    *Graph
	payloads *scan // nil: not at hand, then uploads are checked for shape only
	problems fault.Problems
	warnings fault.Problems
}

// Validate says what is wrong with a graph: everything at once, or nothing.
// Pointers lead to where the value stands in a manifest of our dialect. It
// does not look at payloads; Load does.
func (g Graph) Validate() fault.Problems {
	c := checker{graph: &g}
	c.check()
	return c.problems
}

// maxFindings bounds what a hostile manifest can make us print.
const maxFindings = 200

// full reports whether there are so many problems that no more are kept.
func (c *checker) full() bool { return len(c.problems) >= maxFindings }

func (c *checker) add(pointer, reason, fix string) {
	if c.full() {
		return
	}
	c.problems = append(c.problems, fault.Problem{Pointer: pointer, Reason: reason, Fix: fix})
}

func (c *checker) warn(pointer, reason, fix string) {
	c.warnings = append(c.warnings, fault.Problem{Pointer: pointer, Reason: reason, Fix: fix})
}

func (c *checker) check() {
	c.head()
	c.inputs()
	nodes := c.nodes()
	c.edges(nodes)
	c.entrypoints(nodes)
	c.initialInputs(nodes)
	c.reachable(nodes)
	c.placeholders()
}

func (c *checker) head() {
	c.id("/id", "the bundle", c.graph.ID)
	c.label("/name", c.graph.Name)
	if c.graph.Concurrency < 1 || c.graph.Concurrency > maxConcurrency {
		c.add("/concurrency", fmt.Sprintf("must be from 1 to %d, is %d", maxConcurrency, c.graph.Concurrency), "")
	}
	if err := c.graph.Policy.Validate(); err != nil {
		c.policy("/policy", err)
	}
}

// policy adds what is wrong with a policy at a pointer.
func (c *checker) policy(pointer string, err error) {
	if problems, ok := err.(fault.Problems); ok {
		for _, p := range problems {
			c.add(pointer+p.Pointer, p.Reason, p.Fix)
		}
		return
	}
	c.add(pointer, err.Error(), "")
}

// id checks the id of a thing.
func (c *checker) id(pointer, of, id string) {
	switch {
	case id == "":
		c.add(pointer, of+" has no id", idFix)
	case !idForm.MatchString(id):
		c.add(pointer, fmt.Sprintf("%s is not an id", tree.Quote(id)), idFix)
	}
}

// label checks a text of one line that people read.
func (c *checker) label(pointer, text string) {
	if len(text) > 256 || strings.ContainsFunc(text, unicode.IsControl) {
		c.add(pointer, "must be one line of at most 256 bytes", "")
	}
}

func (c *checker) inputs() {
	for _, name := range slices.Sorted(maps.Keys(c.graph.Inputs)) {
		if !inputForm.MatchString(name) {
			c.add("/inputs/"+tree.Escape(name), fmt.Sprintf("%s is not a name of an input", tree.Quote(name)), "use 1 to 64 of A-Z a-z 0-9 _ - and begin with a letter or _")
		}
	}
}

// nodes checks each node by itself and returns them by id.
func (c *checker) nodes() map[event.NodeID]*Node {
	known := make(map[event.NodeID]*Node, len(c.graph.Nodes))
	c.atMost("/nodes", len(c.graph.Nodes), MaxNodes)
	if len(c.graph.Nodes) == 0 {
		c.add("/nodes", "the bundle has no nodes", "add at least one executor")
	}
	for i := range c.graph.Nodes {
		n := &c.graph.Nodes[i]
		at := n.Pointer
		if at == "" {
			at = fmt.Sprintf("/nodes/%d", i)
		}
		c.node(at, n)
		first, taken := known[n.ID]
		switch {
		case taken:
			c.add(at+"/id", fmt.Sprintf("id %s is already that of %s", tree.Quote(string(n.ID)), first.Pointer), "give each node an id of its own")
		case n.ID != "":
			known[n.ID] = n
		}
	}
	return known
}

func (c *checker) edges(nodes map[event.NodeID]*Node) {
	c.atMost("/edges", len(c.graph.Edges), MaxEdges)
	known := make(map[event.EdgeID]string, len(c.graph.Edges))
	for i := range c.graph.Edges {
		e := &c.graph.Edges[i]
		at := e.Pointer
		if at == "" {
			at = fmt.Sprintf("/edges/%d", i)
		}
		c.edge(at, e, nodes)
		if first, ok := known[e.ID]; ok {
			c.add(at+"/id", fmt.Sprintf("the same as %s", first), "remove one of them, or give each an id of its own")
			continue
		}
		known[e.ID] = at
	}
}

func (c *checker) edge(at string, e *Edge, nodes map[event.NodeID]*Node) {
	if e.ID != e.defaultID() {
		c.id(at+"/id", "the edge", string(e.ID))
	}
	c.reference(at+"/from", "from", e.From, nodes)
	c.reference(at+"/to", "to", e.To, nodes)
	c.messageType(at+"/type", e.Type)
	c.word(at+"/accepts", e.Accepts, AcceptDone, AcceptFailed)
	c.word(at+"/mode", e.Mode, ModeBroadcast, ModeFirst)
}

// reference checks that a key names a node.
func (c *checker) reference(at, key string, id event.NodeID, nodes map[event.NodeID]*Node) {
	if id == "" {
		c.add(at, fmt.Sprintf("%s is missing", key), "name a node")
		return
	}
	if _, ok := nodes[id]; !ok && !c.full() {
		c.add(at, fmt.Sprintf("there is no node %s", tree.Quote(string(id))), tree.Hint(string(id), nodes))
	}
}

// messageType checks the type of an edge.
func (c *checker) messageType(at, t string) {
	if t == "" {
		c.add(at, "type is missing", `name a message type, or "*" for every type`)
		return
	}
	c.typeName(at, t)
}

// typeName checks a message type that may be empty.
func (c *checker) typeName(at, t string) {
	if len(t) > 128 || strings.ContainsFunc(t, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) {
		c.add(at, fmt.Sprintf("%s is not a message type", tree.Quote(t)), "use at most 128 bytes without white space")
	}
}

// word checks that a text is empty or one of a closed list.
func (c *checker) word(at, got string, known ...string) {
	if got == "" || slices.Contains(known, got) {
		return
	}
	fix := "use one of: " + strings.Join(known, ", ")
	if near := tree.Nearest(got, known); near != "" {
		fix = fmt.Sprintf("did you mean %q?", near)
	}
	c.add(at, fmt.Sprintf("%s is not known", tree.Quote(got)), fix)
}

func (c *checker) entrypoints(nodes map[event.NodeID]*Node) {
	if len(c.graph.Entrypoints) == 0 {
		c.add("/entrypoints", "the bundle has no entrypoint", "name the nodes that start the job")
	}
	seen := make(map[event.NodeID]bool, len(c.graph.Entrypoints))
	for i, id := range c.graph.Entrypoints {
		at := fmt.Sprintf("/entrypoints/%d", i)
		c.reference(at, "the entrypoint's node", id, nodes)
		if seen[id] {
			c.add(at, fmt.Sprintf("entrypoint %s is given twice", tree.Quote(string(id))), "keep one of them")
		}
		seen[id] = true
	}
}

func (c *checker) initialInputs(nodes map[event.NodeID]*Node) {
	total := 0
	for _, id := range slices.Sorted(maps.Keys(c.graph.InitialInputs)) {
		at := "/initial_inputs/" + tree.Escape(string(id))
		if _, ok := nodes[id]; !ok {
			c.reference(at, "the node", id, nodes)
			continue
		}
		if !slices.Contains(c.graph.Entrypoints, id) {
			c.add(at, fmt.Sprintf("node %s is not an entrypoint", tree.Quote(string(id))), "add it to entrypoints")
		}
		if len(c.graph.InitialInputs[id]) == 0 {
			c.add(at, "holds no message", "leave it out for one empty message, {}")
		}
		total += len(c.graph.InitialInputs[id])
	}
	c.atMost("/initial_inputs", total, MaxMessages)
}

// atMost checks how many things a part of the graph has.
func (c *checker) atMost(pointer string, got, most int) {
	if got > most {
		c.add(pointer, fmt.Sprintf("has %d entries; at most %d are allowed", got, most), "")
	}
}

// reachable looks for nodes that no message can come to along edges. In a
// foreign manifest that is only strange: its workers often address nodes
// directly. A name that leads nowhere is a problem already, and what would be
// reached through it cannot be said.
func (c *checker) reachable(nodes map[event.NodeID]*Node) {
	if c.dangling(nodes) {
		return
	}
	reached := c.graph.reached()
	say, fix := c.add, "add an edge to it or make it an entrypoint"
	if c.graph.Dialect != Native {
		say, fix = c.warn, "it runs only if a worker addresses it directly"
	}
	for i := range c.graph.Nodes {
		n := &c.graph.Nodes[i]
		if nodes[n.ID] == n && !reached[n.ID] {
			say(n.Pointer, fmt.Sprintf("no message can reach node %s", tree.Quote(string(n.ID))), fix)
		}
	}
}

// dangling reports whether there is no entrypoint, or an entrypoint or an edge
// names a node that does not exist.
func (c *checker) dangling(nodes map[event.NodeID]*Node) bool {
	unknown := func(id event.NodeID) bool { return nodes[id] == nil }
	return len(c.graph.Entrypoints) == 0 || slices.ContainsFunc(c.graph.Entrypoints, unknown) ||
		slices.ContainsFunc(c.graph.Edges, func(e Edge) bool { return unknown(e.From) || unknown(e.To) })
}

// reached is every node that a message can come to along edges.
func (g *Graph) reached() map[event.NodeID]bool {
	next := make(map[event.NodeID][]event.NodeID)
	for _, e := range g.Edges {
		next[e.From] = append(next[e.From], e.To)
	}
	reached := make(map[event.NodeID]bool)
	for queue := slices.Clone(g.Entrypoints); len(queue) > 0; {
		id := queue[0]
		queue = queue[1:]
		if reached[id] {
			continue
		}
		reached[id] = true
		queue = append(queue, next[id]...)
	}
	return reached
}
