package policy

import (
	"fmt"
	"path"
	"strings"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// HostPaths are the places of the host that no grant may open: absolute,
// clean, and with symbolic links followed. Empty ones are not checked.
type HostPaths struct {
	State     string   // the state folder: jobs, blobs, database
	Runtime   string   // the folder of the daemon's sockets
	Binaries  []string // Bulkhead's own programs
	Policies  []string // the policy files in use
	Own       []string // other folders of Bulkhead's own: leases of user ids, sockets
	Workspace string   // the attempt's work folder: where it lies in State, it and what is in it may be granted
	System    []string // folders that every sandbox may read anyway: grants in them may reach Binaries by reading
}

// forbidden is one place and what it is called in messages.
type forbidden struct {
	name, path string
	system     bool // reading it inside HostPaths.System is harmless
}

func (h HostPaths) forbidden() []forbidden {
	all := []forbidden{
		{"Bulkhead's state folder", h.State, false},
		{"Bulkhead's sockets", h.Runtime, false},
	}
	for _, b := range h.Binaries {
		all = append(all, forbidden{"Bulkhead's program", b, true})
	}
	for _, f := range h.Own {
		all = append(all, forbidden{"a folder of Bulkhead's own,", f, false})
	}
	for _, f := range h.Policies {
		all = append(all, forbidden{"the policy file", f, false})
	}
	return all
}

// Check refuses a resolved policy whose grants equal, hold or lie in a
// forbidden place. The rule is on names alone: a layer that followed a grant's
// symbolic links calls it again with where they lead. A work folder that a
// caller chose is checked like a grant for writing. The error is a
// fault.Denied that names every such grant.
func Check(p Policy, host HostPaths) error {
	var refused []string
	each := func(verb string, grants []string, reads bool) {
		for _, g := range grants {
			if why := host.refuse(g, reads); why != "" {
				refused = append(refused, fmt.Sprintf("%s %s: %s", verb, quote(g), why))
			}
		}
	}
	each("read", p.Filesystem.Read, true)
	each("write", p.Filesystem.Write, false)

	if len(refused) == 0 {
		return nil
	}
	return fault.New(fault.Denied, strings.Join(refused, "\n")).
		WithHint("grant narrower folders that lie beside these places")
}

// refuse says why a grant is forbidden; empty means that it is not.
func (h HostPaths) refuse(grant string, reads bool) string {
	if inWorkspace(grant) {
		return ""
	}
	if !isResolved(grant) {
		return "the path is not resolved"
	}
	for _, f := range h.forbidden() {
		harmless := f.system && reads && anyCovers(h.System, grant)
		own := covers(h.Workspace, grant) && covers(f.path, h.Workspace)
		if harmless || own && f.path != h.Workspace {
			continue
		}
		if why := f.relation(grant); why != "" {
			return why
		}
	}
	return ""
}

// relation says how a grant touches the place.
func (f forbidden) relation(grant string) string {
	switch {
	case f.path == "":
		return ""
	case grant == f.path:
		return fmt.Sprintf("it is %s", f.name)
	case covers(grant, f.path):
		return fmt.Sprintf("it holds %s %s", f.name, quote(f.path))
	case covers(f.path, grant):
		return fmt.Sprintf("it lies in %s %s", f.name, quote(f.path))
	}
	return ""
}

// inWorkspace says whether a path is a kept $WORKSPACE or lies in it.
func inWorkspace(s string) bool { return covers(workspace, s) && s == path.Clean(s) }

// isResolved says whether a path is absolute and clean.
func isResolved(s string) bool { return strings.HasPrefix(s, "/") && path.Clean(s) == s }

// anyCovers says whether one of the folders covers a path.
func anyCovers(folders []string, s string) bool {
	for _, f := range folders {
		if covers(f, s) {
			return true
		}
	}
	return false
}
