//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// tree is our place in the version 2 hierarchy.
//
// A version 2 group that hands controllers to its children may hold no
// process itself (except the real root). So our groups cannot simply stand
// beneath the group we are in. In this order:
//
//  1. beneath our own group, when it already hands the controllers down (it is
//     the real root, or it is a delegated group and we are not in the way);
//  2. beneath its parent, when that does so and lets us: an ordinary session
//     of root, or a delegated slice of an ordinary user;
//  3. beneath our own group, after moving this process into a leaf of it, when
//     nobody else is in there: a container's or a delegated unit's first
//     process.
type tree struct {
	own  string // our own group
	base string // beneath which bulkhead/ stands; empty: nowhere
	move bool   // this process must leave base for a leaf first
	why  string // why base is empty

	once  sync.Once
	ready error // what went wrong when the base was set up
}

// leaf is where this process goes when it must leave its own group.
const leaf = "bulkhead-host"

// findTree looks for the version 2 hierarchy; nil when there is none.
func findTree(mounts []mount, own membership) *tree {
	i := slices.IndexFunc(mounts, func(m mount) bool { return m.version == 2 })
	if i < 0 {
		return nil
	}
	dir, ok := mounts[i].locate(own.v2)
	if !ok {
		return &tree{why: "the caller's own cgroup is outside the mount at " + mounts[i].point}
	}
	t := &tree{own: dir}
	t.chooseBase(mounts[i].point)
	return t
}

// has says whether a controller reaches our place in the hierarchy.
func (t *tree) has(name string) bool {
	at := t.base
	if at == "" {
		at = t.own
	}
	return slices.Contains(words(filepath.Join(at, "cgroup.controllers")), name)
}

// place is where the groups of a controller go, or why nowhere.
func (t *tree) place() (dir, why string) {
	if t.base == "" {
		return "", t.why
	}
	return filepath.Join(t.base, parent), ""
}

// chooseBase decides between the three places.
func (t *tree) chooseBase(top string) {
	if t.handsDown(t.own) {
		t.base, t.why = t.own, denied(t.own)
	} else if up := filepath.Dir(t.own); t.own != top && t.handsDown(up) && denied(up) == "" {
		t.base = up
	} else if t.alone() {
		t.base, t.move, t.why = t.own, true, denied(t.own)
	} else {
		t.why = "other processes share " + t.own + ", which is not delegated; start Bulkhead with 'systemd-run --user --scope -p Delegate=yes'"
	}
	if t.why != "" {
		t.base = ""
	}
}

// handsDown says whether children of a group can have our controllers: it
// hands some down already, or it is the real root, which always may. (The root
// that a cgroup namespace shows is an ordinary group, and has cgroup.type.)
func (t *tree) handsDown(dir string) bool {
	enabled := words(filepath.Join(dir, "cgroup.subtree_control"))
	if slices.ContainsFunc(enabled, func(c string) bool { return slices.Contains(wanted, c) }) {
		return true
	}
	_, err := os.Stat(filepath.Join(dir, "cgroup.type"))
	return errors.Is(err, fs.ErrNotExist)
}

// alone says whether this process is the only one in its group.
func (t *tree) alone() bool {
	pids := words(filepath.Join(t.own, "cgroup.procs"))
	return len(pids) == 1 && pids[0] == strconv.Itoa(os.Getpid())
}

// prepare makes <base>/bulkhead with the controllers that our groups need,
// once. It is the first thing that changes the host.
func (t *tree) prepare(controllers []string) error {
	t.once.Do(func() { t.ready = t.setUp(controllers) })
	return t.ready
}

func (t *tree) setUp(controllers []string) error {
	if t.move {
		if err := t.leave(); err != nil {
			return fmt.Errorf("leave own cgroup: %w", err)
		}
	}
	if err := handDown(t.base, controllers); err != nil {
		return err
	}
	dir := filepath.Join(t.base, parent)
	if err := mkdir(dir); err != nil {
		return err
	}
	return handDown(dir, controllers)
}

// leave moves this process into a leaf of its own group.
func (t *tree) leave() error {
	dir := filepath.Join(t.own, leaf)
	if err := mkdir(dir); err != nil {
		return err
	}
	return write(dir, "cgroup.procs", strconv.Itoa(os.Getpid()))
}

// handDown lets the children of a group have controllers.
func handDown(dir string, controllers []string) error {
	enabled := words(filepath.Join(dir, "cgroup.subtree_control"))
	for _, c := range controllers {
		if slices.Contains(enabled, c) {
			continue
		}
		if err := write(dir, "cgroup.subtree_control", "+"+c); err != nil {
			return err
		}
	}
	return nil
}

// denied says why this process may not make groups in dir; empty when it may.
func denied(dir string) string {
	procs := filepath.Join(dir, "cgroup.procs") // entering a child needs this one too
	if err := errors.Join(writable(dir), access(procs, unix.W_OK)); err != nil {
		return fmt.Sprintf("%s: %v", dir, err)
	}
	return ""
}

// words reads a file of words; a file that cannot be read has none.
func words(path string) []string {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return strings.Fields(string(b))
}

// mkdir makes a group; one that is there already is fine.
func mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// write sets one value of a group. The file must be there: the kernel makes
// it, and a missing one means that the group lacks the controller.
func write(dir, file, value string) error {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(value); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
