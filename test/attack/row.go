//go:build linux

package attack

import (
	"os"
	"slices"
	"sync"

	"github.com/bulkhead-dev/bulkhead/internal/jail"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// row is one attack.
type row struct {
	id      string // of the catalogue in docs/attacks.md
	attack  string // what is tried
	success string // what it looks like when it works

	walls []string // each of them stops it, alone
	root  []string // more walls where root starts the sandbox
	user  []string // more walls where an ordinary user does
	with  []string // taken out with the walls: in the attack's way here, but not always

	only string // "root" or "user" when only one of them can mount the attack
	why  string // why only one can, or why no wall can be taken out
	by   string // the only launcher whose start can be attacked so; empty: both
	need need   // what the host must have for the attack to work at all

	policy func(*policy.Policy) // changes to the sandbox's policy
	bare   bool                 // no wall can be taken out: it must succeed without any sandbox
	try    func(*cell) verdict
}

// verdict is what the host saw of an attack.
type verdict struct {
	succeeded bool
	saw       string
}

// The walls that have no step of their own in jail, and the ones used often.
const (
	pidNS    = "pid namespace"
	mountNS  = "mount namespace"
	ipcNS    = "ipc namespace"
	utsNS    = "uts namespace"
	netNS    = jail.StepNetwork
	tree     = jail.StepRoot
	landlock = jail.StepLandlock
	filter   = jail.StepSeccomp
	userID   = jail.StepIDs
	caps     = jail.StepCaps
)

// asRoot says who runs the suite.
func asRoot() bool { return os.Geteuid() == 0 }

// who is the word for it in the count.
func who() string {
	if asRoot() {
		return "root"
	}
	return "user"
}

// runs says whether the row can be run by this user and launcher.
func (r row) runs(launcher string) bool {
	return (r.only == "" || r.only == who()) && (r.by == "" || r.by == launcher)
}

// stops lists the walls that stop the row here.
func (r row) stops() []string {
	if asRoot() {
		return slices.Concat(r.walls, r.root)
	}
	return slices.Concat(r.walls, r.user)
}

// open is everything that must be gone for the attack to succeed.
func (r row) open() []string { return slices.Concat(r.stops(), r.with) }

// alone is the same, with one wall left.
func (r row) alone(wall string) []string {
	return slices.DeleteFunc(r.open(), func(s string) bool { return s == wall })
}

// rows are all attacks. They are made when they are asked for: every start of
// a program that has the suite built in would pay for them otherwise.
var rows = sync.OnceValue(func() []row {
	return slices.Concat(
		fileRows(),
		processRows(),
		callRows(),
		networkRows(),
		limitRows(),
		startRows(),
	)
})
