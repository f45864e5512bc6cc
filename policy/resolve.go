package policy

import (
	"fmt"
	"path"
	"strings"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// Placement is what the words in paths stand for.
type Placement struct {
	Home      string            // the caller's home, for ~; empty: ~ is a problem
	Workspace string            // the attempt's work folder; empty: $WORKSPACE stays, for a later Resolve
	Inputs    map[string]string // the operator's values of ${inputs.NAME}; one that is missing or empty is a problem
}

// Resolve replaces ~, $WORKSPACE and ${inputs.NAME} in the policy's paths and
// cleans them. Values are put in once and never expanded again. It refuses
// what Validate refuses, and paths that become relative, unclean or / by a
// value, as fault.Problems. Symbolic links are not followed: a layer checks
// what a path really leads to.
func Resolve(p Policy, place Placement) (Policy, error) {
	if err := p.Validate(); err != nil {
		return Policy{}, err
	}

	var problems fault.Problems
	p = p.Clone()
	all := func(at string, paths []string, check func(string) *flaw) {
		for i, s := range paths {
			if at == "/filesystem/protect" && isPattern(s) {
				continue
			}
			got, bad := place.expand(s)
			if bad == nil {
				bad = checkExpanded(got, s, check)
			}
			if bad != nil {
				problems = append(problems, bad.at(pointerIndex(at, i)))
				continue
			}
			paths[i] = path.Clean(got)
		}
	}
	all("/filesystem/read", p.Filesystem.Read, checkReadPath)
	all("/filesystem/write", p.Filesystem.Write, checkWritePath)
	all("/filesystem/protect", p.Filesystem.Protect, checkProtect)

	if len(problems) > 0 {
		return Policy{}, problems
	}
	return p, nil
}

// expand replaces the words of a valid path.
func (place Placement) expand(s string) (string, *flaw) {
	head, rest := "", s
	switch {
	case strings.HasPrefix(s, "~"):
		head, rest = place.Home, s[1:]
		if head == "" {
			return "", &flaw{quote(s) + " needs a home, and none is known", "write the path out"}
		}
	case strings.HasPrefix(s, workspace):
		head, rest = place.Workspace, s[len(workspace):]
		if head == "" {
			head = workspace
		}
	}

	var unknown string
	rest = input.ReplaceAllStringFunc(rest, func(word string) string {
		name := strings.TrimSuffix(strings.TrimPrefix(word, "${inputs."), "}")
		text := place.Inputs[name]
		if text == "" {
			unknown = name
		}
		return text
	})
	if unknown != "" {
		return "", &flaw{fmt.Sprintf("%s uses the input %q, which has no value", quote(s), unknown), fmt.Sprintf("give it with --set %s=…", unknown)}
	}
	return head + rest, nil
}

// checkExpanded checks a path again after values came in: now only a kept
// $WORKSPACE may be left of the words.
func checkExpanded(got, written string, check func(string) *flaw) *flaw {
	bad := check(got)
	if bad == nil && (strings.HasPrefix(got, "~") || input.MatchString(got)) {
		bad = &flaw{quote(got) + " is expanded only once", "write the path out"}
	}
	if bad == nil && strings.HasPrefix(got, workspace) && !strings.HasPrefix(written, workspace) {
		bad = &flaw{quote(got) + " is expanded only once", "write $WORKSPACE in the policy"}
	}
	if bad != nil && got != written {
		bad.reason = fmt.Sprintf("%s becomes %s: %s", quote(written), quote(got), bad.reason)
	}
	return bad
}
