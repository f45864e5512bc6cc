package policy

import (
	"fmt"
	"maps"
	"slices"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// Validate says whether a policy that was built in Go could have been parsed.
// The error is a fault.Problems with every problem.
func (p Policy) Validate() error { return p.problems("").Err() }

// problems is every problem of the values; base is the pointer of the policy.
func (p Policy) problems(base string) fault.Problems {
	var all fault.Problems
	add := func(at string, bad *flaw) {
		if bad != nil {
			all = append(all, bad.at(at))
		}
	}

	add(base+"/layer", checkChoice(p.Layer, layers))
	p.Filesystem.check(base+"/filesystem", add)
	p.Network.check(base+"/network", add)
	p.Env.check(base+"/env", add)
	for _, row := range limits {
		add(base+"/limits/"+row.name, row.check(p.Limits))
	}
	add(base+"/syscalls", checkChoice(p.Syscalls, profiles))
	return all
}

// checkChoice refuses a word that is not in a closed list, or not ready.
func checkChoice[T ~string](got T, options []option[T]) *flaw {
	if got == "" {
		return nil
	}
	var known []string
	for _, o := range options {
		known = append(known, string(o.word))
		if o.word == got && o.ready {
			return nil
		}
		if o.word == got {
			return &flaw{quote(string(got)) + " is not supported yet", "use one of: " + words(options)}
		}
	}
	bad := &flaw{"unknown word " + quote(string(got)), "use one of: " + words(options)}
	if near := fault.Nearest(clip(string(got)), known); near != "" {
		bad.fix = fmt.Sprintf("did you mean %q?", near)
	}
	return bad
}

// adder takes what is wrong with the value at a pointer; nil is nothing.
type adder func(at string, bad *flaw)

func (f Filesystem) check(at string, add adder) {
	if n := len(f.Read) + len(f.Write) + len(f.Protect); n > maxPaths {
		add(at, &flaw{fmt.Sprintf("has %d paths; at most %d are allowed", n, maxPaths), "grant the folder that holds them"})
		return
	}
	for i, s := range f.Read {
		add(pointerIndex(at+"/read", i), checkReadPath(s))
	}
	for i, s := range f.Write {
		add(pointerIndex(at+"/write", i), checkWritePath(s))
	}
	for i, s := range f.Protect {
		add(pointerIndex(at+"/protect", i), checkProtect(s))
	}
}

func (n Network) check(at string, add adder) {
	if len(n.Allow) > 0 {
		add(at+"/allow", &flaw{"allowed hosts are not supported yet", "write network: none"})
	}
}

func (e Env) check(at string, add adder) {
	if n := len(e.Set) + len(e.Pass); n > maxVariables {
		add(at, &flaw{fmt.Sprintf("has %d variables; at most %d are allowed", n, maxVariables), ""})
		return
	}
	for _, name := range slices.Sorted(maps.Keys(e.Set)) {
		add(pointer(at+"/set", name), checkSetting(name, e.Set[name]))
	}
	for i, name := range e.Pass {
		bad := checkPass(name)
		if _, set := e.Set[name]; set && bad == nil {
			bad = &flaw{quote(name) + " is also set", "keep it in env.set or in env.pass"}
		}
		add(pointerIndex(at+"/pass", i), bad)
	}
}
