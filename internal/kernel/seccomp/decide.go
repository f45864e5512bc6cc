//go:build linux

package seccomp

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Decide is what f does with a call, read straight from the rules. It is what
// a supervisor uses to answer as the filter would have, and what the compiled
// program is tested against.
func (f Filter) Decide(a Arch, nr uint32, args [6]uint64) Action {
	if a.X32 && nr >= x32Bit {
		return KillProcess
	}
	name, ok := a.CallName(nr)
	if !ok {
		return f.Otherwise
	}
	for _, r := range f.Rules {
		if r.Call == name && r.matches(args) {
			return r.Then
		}
	}
	return f.Otherwise
}

// matches says whether all conditions of the rule hold.
func (r Rule) matches(args [6]uint64) bool {
	for _, c := range r.When {
		if !c.holds(args) {
			return false
		}
	}
	return true
}

// Check returns an error that names the first rule that cannot mean what it
// says: a call that no architecture has, a condition that can never hold, an
// action that the kernel does not know.
func (f Filter) Check() error {
	for _, r := range f.Rules {
		if err := r.check(); err != nil {
			return fmt.Errorf("seccomp filter %q: rule for %s: %w", f.Name, r.Call, err)
		}
	}
	if !f.Otherwise.valid() {
		return fmt.Errorf("seccomp filter %q: otherwise: unknown %v", f.Name, f.Otherwise)
	}
	return nil
}

func (r Rule) check() error {
	if !known(r.Call) {
		return fmt.Errorf("no architecture has this call")
	}
	if !r.Then.valid() {
		return fmt.Errorf("unknown %v", r.Then)
	}
	for _, c := range r.When {
		if err := c.check(); err != nil {
			return err
		}
	}
	return nil
}

// valid says whether the action is one of the package's own.
func (a Action) valid() bool {
	switch a {
	case KillProcess, Allow, Log, Notify:
		return true
	}
	n, ok := a.Errno()
	return ok && n >= 1 && n <= maxErrno && unix.ErrnoName(n) != ""
}
