//go:build linux

package seccomp

import (
	"strings"
	"syscall"
)

// calls gives every named call (separated by white space) the same action.
func calls(then Action, names string) []Rule {
	var rules []Rule
	for _, name := range strings.Fields(names) {
		rules = append(rules, Rule{Call: name, Then: then})
	}
	return rules
}

// allow lets the named calls run.
func allow(names string) []Rule { return calls(Allow, names) }

// refuse answers the named calls with an error number.
func refuse(n syscall.Errno, names string) []Rule { return calls(Errno(n), names) }

// when is one rule with conditions.
func when(call string, then Action, conds ...Cond) Rule {
	return Rule{Call: call, When: conds, Then: then}
}
