package bundle

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/bundle/internal/tree"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// placeholder is where a value of the operator goes: in the arguments of a
// command and in policy.filesystem.read, nowhere else.
var placeholder = regexp.MustCompile(`\$\{inputs\.([^}]*)\}`)

// Expand returns a copy of the graph with the operator's values, and the
// defaults of inputs that have none, in place of ${inputs.NAME}. A string
// stands for itself, a number or a boolean for its text.
//
// The error is a fault.Problems: values that no input takes, inputs without a
// value, and values that do not fit where they go.
func (g Graph) Expand(values map[string]json.RawMessage) (Graph, error) {
	x := expander{graph: &g, texts: map[string]string{}}
	x.unknown(values)
	x.choose(values)
	if len(x.problems) > 0 {
		return Graph{}, x.problems
	}
	if g.Dialect != Native {
		return g, nil
	}
	out := x.graphCopy()
	if problems := out.Validate(); len(problems) > 0 {
		return Graph{}, problems
	}
	return out, nil
}

// expander puts values into one graph.
type expander struct {
	graph    *Graph
	texts    map[string]string // of inputs that are used in a text
	problems fault.Problems
}

func (x *expander) add(name, reason, fix string) {
	x.problems = append(x.problems, fault.Problem{Pointer: "/inputs/" + tree.Escape(tree.Clip(name)), Reason: reason, Fix: fix})
}

// unknown finds values that no input takes.
func (x *expander) unknown(values map[string]json.RawMessage) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if _, ok := x.graph.Inputs[name]; ok {
			continue
		}
		fix := "the bundle declares no inputs"
		if len(x.graph.Inputs) > 0 {
			fix = tree.Hint(name, x.graph.Inputs)
		}
		x.add(name, fmt.Sprintf("the bundle has no input %s", tree.Quote(name)), fix)
	}
}

// choose takes the value of each input: the operator's or the default.
func (x *expander) choose(values map[string]json.RawMessage) {
	used := x.graph.placeholders()
	for _, name := range slices.Sorted(maps.Keys(x.graph.Inputs)) {
		value, given := values[name]
		if !given {
			value = x.graph.Inputs[name].Default
		}
		if value == nil {
			x.add(name, fmt.Sprintf("input %s has no value", tree.Quote(name)), fmt.Sprintf("give one with --set %s=VALUE or in the file of --inputs", name))
			continue
		}
		if used[name] {
			x.text(name, value)
		}
	}
}

// text keeps the text of a value that is used in one.
func (x *expander) text(name string, value json.RawMessage) {
	n, problems := tree.Parse("", value)
	switch {
	case problems != nil:
		x.add(name, "is not JSON: "+problems[0].Reason, "put a text in quotes")
	case n.Kind == tree.Null, n.Kind == tree.Array, n.Kind == tree.Object:
		x.add(name, fmt.Sprintf("stands in a command or a path and must be a string, a number or a boolean, is %s", n.Kind), "")
	case strings.ContainsRune(n.Text, 0):
		x.add(name, "contains a NUL byte", "")
	default:
		x.texts[name] = n.Text
	}
}

// expand puts the values into a text. It looks at the text once, so a value
// that looks like a placeholder stays as it is.
func (x *expander) expand(s string) string {
	return placeholder.ReplaceAllStringFunc(s, func(found string) string {
		return x.texts[placeholder.FindStringSubmatch(found)[1]]
	})
}

func (x *expander) all(list []string) []string {
	out := slices.Clone(list)
	for i := range out {
		out[i] = x.expand(out[i])
	}
	return out
}

// graphCopy is the graph with the values in it. It shares nothing that differs.
func (x *expander) graphCopy() Graph {
	out := *x.graph
	out.Policy.Filesystem.Read = x.all(out.Policy.Filesystem.Read)
	out.Nodes = slices.Clone(out.Nodes)
	for i := range out.Nodes {
		if out.Nodes[i].Executor == nil {
			continue
		}
		e := *out.Nodes[i].Executor
		e.Command = x.all(e.Command)
		e.Policy.Filesystem.Read = x.all(e.Policy.Filesystem.Read)
		out.Nodes[i].Executor = &e
	}
	return out
}

// texts calls visit for every text that may hold placeholders, with its pointer.
func (g *Graph) texts(visit func(pointer, text string)) {
	each := func(pointer string, list []string) {
		for i, s := range list {
			visit(fmt.Sprintf("%s/%d", pointer, i), s)
		}
	}
	each("/policy/filesystem/read", g.Policy.Filesystem.Read)
	for _, n := range g.Nodes {
		if n.Executor != nil {
			each(n.Pointer+"/config/command", n.Executor.Command)
			each(n.Pointer+"/config/policy/filesystem/read", n.Executor.Policy.Filesystem.Read)
		}
	}
}

// placeholders is the set of inputs that the graph's texts use.
func (g *Graph) placeholders() map[string]bool {
	used := make(map[string]bool)
	g.texts(func(_, text string) {
		for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
			used[m[1]] = true
		}
	})
	return used
}

// placeholders checks that every ${inputs.NAME} names an input and stands
// where its value cannot become code.
func (c *checker) placeholders() {
	if c.graph.Dialect != Native {
		return
	}
	c.graph.texts(c.names)
	for _, n := range c.graph.Nodes {
		if n.Executor != nil {
			c.codeWithInput(n.Pointer+"/config/command", n.Executor.Command)
		}
	}
	c.unusedInputs()
}

// names checks the names in the placeholders of a text.
func (c *checker) names(pointer, text string) {
	found := placeholder.FindAllStringSubmatch(text, -1)
	if strings.Count(text, "${inputs.") != len(found) {
		c.add(pointer, `a "${inputs." is not closed`, "write ${inputs.NAME}")
	}
	for _, m := range found {
		if _, ok := c.graph.Inputs[m[1]]; !ok && !c.full() {
			fix := cmp.Or(tree.Hint(m[1], c.graph.Inputs), "declare it in inputs")
			c.add(pointer, fmt.Sprintf("%s names no input", tree.Quote(m[0])), fix)
		}
	}
}

func (c *checker) unusedInputs() {
	used := c.graph.placeholders()
	for _, name := range slices.Sorted(maps.Keys(c.graph.Inputs)) {
		if !used[name] {
			c.warn("/inputs/"+tree.Escape(name), fmt.Sprintf("nothing uses the input %s", tree.Quote(name)), "inputs are used as ${inputs."+name+"} in a command or in policy.filesystem.read")
		}
	}
}

// codeWithInput refuses an input within a program text, where its value would
// be code.
func (c *checker) codeWithInput(at string, args []string) {
	i := programText(args)
	if i < 0 || !placeholder.MatchString(args[i]) {
		return
	}
	pointer := fmt.Sprintf("%s/%d", at, i)
	c.add(pointer, "the value of an input would become program text here", `pass it as an argument: ["/bin/sh", "-c", "worker \"$1\"", "sh", "${inputs.NAME}"]`)
}

// evalFlags are the options after which interpreters take a program as text.
var evalFlags = map[string]string{
	"sh": "c", "bash": "c", "dash": "c", "zsh": "c", "ksh": "c", "ash": "c",
	"python": "c", "perl": "eE", "ruby": "e", "node": "ep", "php": "r", "lua": "e",
}

// launchers run another program that stands further right.
var launchers = []string{"env", "nice", "timeout", "busybox", "setsid", "stdbuf", "xargs"}

// programText is the index of the argument that is a program given to an
// interpreter as text, or -1.
func programText(args []string) int {
	at := slices.IndexFunc(args, func(arg string) bool { return evalFlags[programName(arg)] != "" })
	if at < 0 || at > 0 && !slices.Contains(launchers, programName(args[0])) {
		return -1
	}
	flags := evalFlags[programName(args[at])]
	for i := at + 1; i < len(args)-1 && strings.HasPrefix(args[i], "-"); i++ {
		switch arg := args[i]; {
		case strings.HasPrefix(arg, "--"):
		case strings.ContainsAny(arg, flags):
			return i + 1
		case strings.ContainsAny(arg[len(arg)-1:], "oOWX") && !strings.HasPrefix(args[i+1], "-"):
			i++ // the option takes an argument
		}
	}
	return -1
}

// programName is a program's name without folder and version.
func programName(arg string) string {
	return strings.TrimRight(path.Base(arg), ".0123456789")
}
