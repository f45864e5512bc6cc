package policy

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// Narrow gives a request what a ceiling allows of it. The result never allows
// more than either; Narrow with it again changes nothing. Each thing that was
// asked for and not given is an Excess, and a caller that is strict refuses
// when there is one (see Refuse).
//
// Both policies are resolved; only $WORKSPACE may be left. What needs no
// grant: the work folder, and variables that the request sets itself, because
// their values are its own words. Paths that are neither absolute nor in
// $WORKSPACE are given to nobody.
func Narrow(ceiling, request Policy) (Policy, []Excess) {
	n := narrower{ceiling: ceiling, request: request}
	n.layer()
	n.filesystem()
	n.network()
	n.env()
	n.limits()
	n.syscalls()
	n.switches()
	return n.result, n.excess
}

// narrower is one Narrow in progress: a step for each part of the policy.
type narrower struct {
	ceiling, request, result Policy
	excess                   []Excess
}

func (n *narrower) exceed(pointer, asked, flag string) {
	n.excess = append(n.excess, Excess{Pointer: pointer, Asked: asked, Flag: flag})
}

// layer: the stronger wall wins, and no wall only where the ceiling says so.
func (n *narrower) layer() {
	if n.request.Layer == Host && n.ceiling.Layer != Host {
		n.exceed("/layer", "to run without a sandbox", "--trust-host")
	}
	n.result.Layer = stronger(n.ceiling.Layer, n.request.Layer)
}

// stronger is the stronger of two layers. Empty is native, and stays empty
// where nobody wrote a layer.
func stronger(ceiling, request Layer) Layer {
	if request == "" && ceiling == Host {
		return Native // nobody asked for no wall by name
	}
	if strength(request) >= strength(ceiling) && request != "" {
		return request
	}
	return ceiling
}

// strength orders layers; a word that is not known is the strongest, so that
// it is never replaced by a weaker one.
func strength(l Layer) int {
	if l == "" {
		l = Native
	}
	for i, o := range layers {
		if o.word == l {
			return i
		}
	}
	return len(layers)
}

// filesystem: both policies' folders are cut down to where they meet.
func (n *narrower) filesystem() {
	ceiling, request := n.ceiling.Filesystem, n.request.Filesystem
	readable := slices.Concat(ceiling.Read, ceiling.Write)

	for i, s := range request.Read {
		if !granted(readable, s) {
			n.exceed(pointerIndex("/filesystem/read", i), "to read "+quote(s), "--read "+shellQuote(s))
		}
	}
	for i, s := range request.Write {
		if !granted(ceiling.Write, s) {
			n.exceed(pointerIndex("/filesystem/write", i), "to write "+quote(s), "--write "+shellQuote(s))
		}
	}
	n.result.Filesystem.Protect = union(union(nil, ceiling.Protect), request.Protect)

	write := minimal(meet(ceiling.Write, request.Write))
	read := minimal(meet(readable, slices.Concat(request.Read, request.Write)))
	n.result.Filesystem.Write = write
	n.result.Filesystem.Read = without(read, write)
}

// granted says whether a ceiling's folders cover a path as a whole.
func granted(folders []string, s string) bool {
	return inWorkspace(s) || isResolved(s) && anyCovers(folders, s)
}

// meet is where two sets of folders overlap.
func meet(ceiling, request []string) []string {
	var both []string
	for _, r := range request {
		if granted(ceiling, r) {
			both = append(both, r)
			continue
		}
		for _, c := range ceiling {
			if isResolved(r) && isResolved(c) && covers(r, c) {
				both = append(both, c)
			}
		}
	}
	return both
}

// minimal sorts folders and drops those that others cover.
func minimal(folders []string) []string {
	var kept []string
	for _, f := range slices.Sorted(slices.Values(folders)) {
		if !anyCovers(kept, f) {
			kept = append(kept, f)
		}
	}
	return kept
}

// without drops the folders that others cover.
func without(folders, others []string) []string {
	var kept []string
	for _, f := range folders {
		if !anyCovers(others, f) {
			kept = append(kept, f)
		}
	}
	return kept
}

// network: hosts are granted by the same words.
func (n *narrower) network() {
	for i, host := range n.request.Network.Allow {
		if slices.Contains(n.ceiling.Network.Allow, host) {
			n.result.Network.Allow = union(n.result.Network.Allow, []string{host})
			continue
		}
		n.exceed(pointerIndex("/network/allow", i), "to reach "+quote(host), "--allow "+shellQuote(host))
	}
}

// env: names are granted, values that the request sets itself are free.
func (n *narrower) env() {
	if len(n.request.Env.Set) > 0 {
		n.result.Env.Set = maps.Clone(n.request.Env.Set)
	}
	for i, name := range n.request.Env.Pass {
		if slices.Contains(n.ceiling.Env.Pass, name) {
			n.result.Env.Pass = union(n.result.Env.Pass, []string{name})
			continue
		}
		n.exceed(pointerIndex("/env/pass", i), "to see the variable "+quote(name), "--pass-env "+shellQuote(name))
	}
}

// limits: the smaller one wins. Zero in the request takes the ceiling's, and
// zero in the ceiling stands for the default.
func (n *narrower) limits() {
	n.result.Limits = n.ceiling.Limits
	for _, row := range limits {
		switch {
		case row.isZero(n.request.Limits):
		case row.exceed(n.request.Limits, n.ceiling.Limits):
			text := row.text(n.request.Limits)
			grant := row.flag + " " + text
			if row.flag == "" {
				grant = byPolicy("limits: {" + row.name + ": " + text + "}")
			}
			n.exceed("/limits/"+row.name, "for "+row.name+" "+text, grant)
		default:
			row.copy(&n.result.Limits, n.request.Limits)
		}
	}
}

// syscalls: strict is narrower than default.
func (n *narrower) syscalls() {
	ceiling, request := n.ceiling.Syscalls, n.request.Syscalls
	switch {
	case ceiling != Strict && request != "":
		n.result.Syscalls = request
	case ceiling == Strict && request != "" && request != Strict:
		n.exceed("/syscalls", "for the system calls of "+quote(string(request)), byPolicy("syscalls: "+string(request)))
		n.result.Syscalls = Strict
	default:
		n.result.Syscalls = ceiling
	}
}

// switches: watching opens nothing; best effort must be allowed.
func (n *narrower) switches() {
	n.result.TraceDenials = n.request.TraceDenials || n.ceiling.TraceDenials
	n.result.BestEffort = n.request.BestEffort && n.ceiling.BestEffort
	if n.request.BestEffort && !n.ceiling.BestEffort {
		n.exceed("/best_effort", "to start without all its walls", byPolicy("best_effort: true"))
	}
}

// byPolicy is the grant of what has no flag of its own.
func byPolicy(line string) string { return "--policy FILE with " + line }

// shellQuote makes a text one word of a shell.
func shellQuote(s string) string {
	if plainText.MatchString(s) && !strings.HasPrefix(s, "$") && path.Clean(s) == s {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
