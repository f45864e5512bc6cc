// Package native is the layer made of the kernel's own mechanisms: namespaces,
// a private root, Landlock, seccomp, cgroups and resource limits.
//
// For root each sandbox has a user of its own that nothing else on the host
// uses; for an ordinary user it is a user namespace that maps one inner user
// to the caller. Nothing inside is ever uid 0 of the host.
package native

import (
	"os"
	"slices"
	"sync"

	"github.com/bulkhead-dev/bulkhead/internal/jail/reexec"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/spawn"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Launcher runs a syscall program in a new process: spawn.Launcher or
// reexec.Launcher.
type Launcher interface {
	Start(p *spawn.Program, fds []int, cgroup int) (pid, pidfd int, err error)
}

// Options of the layer. The zero Options are the ones to use.
type Options struct {
	// Launcher is "program" (the fast one; the default where it exists) or
	// "reexec" (portable; main must call reexec.Init).
	Launcher string
	// State are folders of Bulkhead's own that no grant may touch.
	State []string
	// Stock is how many network namespaces to keep ready, for programs that
	// start many sandboxes; 0: one is made while its plan is.
	Stock int
	// Init is the program bulkhead-init on this host, for live sandboxes;
	// empty: there are none.
	Init string
	// LeaseDir is where root leases user ids; empty: /run/bulkhead-uids.
	LeaseDir string

	// Without names mechanisms that are treated as if the host lacked them,
	// to test what then happens: landlock, seccomp, cgroup.
	Without []string
	// Drop leaves walls out although the host has them, to test that an
	// attack then succeeds. Only tests set it; see jail.Spec.Drop.
	Drop []string
}

// Layer is the native layer. It is safe for concurrent use.
type Layer struct {
	opt      Options
	launcher Launcher
	name     string // of the launcher
	users    users
	networks netStock
	facts    func() *facts
}

var _ sandbox.Layer = (*Layer)(nil)

// New returns the layer. It touches nothing on the host until a plan is made.
func New(opt Options) *Layer {
	l := &Layer{opt: opt, name: opt.Launcher}
	if l.name == "" {
		l.name = defaultLauncher
	}
	if l.name == "reexec" {
		l.launcher = new(reexec.Launcher)
	} else {
		l.launcher = new(spawn.Launcher)
	}
	l.facts = sync.OnceValue(l.readFacts)
	l.networks.keep = opt.Stock
	l.users.dir = opt.LeaseDir
	if l.users.dir == "" {
		l.users.dir = "/run/bulkhead-uids"
	}
	return l
}

// Name is "native".
func (l *Layer) Name() policy.Layer { return policy.Native }

// Close gives the leased users back to the host, so that the next program need
// not find out whether they are still in use. Plans must have been closed. It
// may be called twice, and the layer may be used again after it.
func (l *Layer) Close() error {
	l.users.release()
	return nil
}

func (l *Layer) lacks(mechanism string) bool { return slices.Contains(l.opt.Without, mechanism) }

// root says whether the caller can build sandboxes without a user namespace.
func root() bool { return os.Geteuid() == 0 }
