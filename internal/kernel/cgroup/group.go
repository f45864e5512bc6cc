//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// Limits bounds a group. Zero means no limit.
type Limits struct {
	Memory int64   // bytes of all processes together, swap included
	Pids   int64   // processes and threads
	CPUs   float64 // processor seconds per second

	// Live adds what a long-lived group needs: it can be frozen, and its
	// processor time and input and output are counted.
	Live bool
}

// Group is one control group: a folder on version 2, one for each controller
// on version 1, or nothing at all where the host lets us have none. Methods
// may be called concurrently.
type Group struct {
	name    string
	members []member
	missing []string

	mu     sync.Mutex // guards below
	closed bool
}

// member is one folder of a group.
type member struct {
	version     int
	path        string
	controllers []string
	lock        *os.File // the folder itself; its flock says that the owner lives
	tasks       *os.File // of version 1, for the process that enters
}

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// New makes a group with limits. The name must be lower-case letters, digits,
// '.', '_' and '-', at most 64, and is free again after Close, or when the
// process that made it is dead.
//
// A limit that this host cannot enforce is not an error: Missing tells. It
// fails with fault.Invalid for a bad name or limit, with fault.Exists for a
// name in use, and otherwise when the kernel refuses what Detect found usable.
func (h Hierarchy) New(name string, l Limits) (*Group, error) {
	if !validName.MatchString(name) {
		return nil, fault.Newf(fault.Invalid, "cgroup name %q", name)
	}
	if err := l.check(); err != nil {
		return nil, err
	}
	g := &Group{name: name, missing: h.missing(l)}
	if err := h.fill(g, l); err != nil {
		return nil, errors.Join(fmt.Errorf("make cgroup: %w", err), g.Close())
	}
	return g, nil
}

// check refuses limits that no kernel takes as they are meant.
func (l Limits) check() error {
	if l.Memory < 0 || l.Pids < 0 || l.CPUs < 0 || l.CPUs > 1<<16 {
		return fault.Newf(fault.Invalid, "cgroup limits %+v", l)
	}
	if l.CPUs > 0 && l.CPUs < 0.01 {
		return fault.Newf(fault.Invalid, "cgroup limit of %g CPUs: the least that the kernel enforces is 0.01", l.CPUs)
	}
	return nil
}

// wants says whether the limits need a controller.
func (l Limits) wants(controller string) bool {
	return map[string]bool{"memory": l.Memory > 0, "pids": l.Pids > 0, "cpu": l.CPUs > 0}[controller]
}

// missing lists the limits that no usable controller can enforce.
func (h Hierarchy) missing(l Limits) []string {
	var words []string
	for _, c := range h.controllers {
		if l.wants(c.Name) && !c.Usable {
			words = append(words, fmt.Sprintf("cgroup %s: %s", c.Name, c.Why))
		}
	}
	return words
}

// fill makes the folders of a group and sets its limits. The cpu controller is
// left out when there is nothing to bound; memory and pids always count.
func (h Hierarchy) fill(g *Group, l Limits) error {
	var v2 []string
	for _, c := range h.controllers {
		switch {
		case !c.Usable || c.Name == "cpu" && !l.wants("cpu"):
		case c.Version == 2:
			v2 = append(v2, c.Name)
		default:
			if err := g.addV1(c, l); err != nil {
				return err
			}
		}
	}
	if l.Live {
		for _, c := range h.extra {
			if err := g.addV1(c, l); err != nil {
				return err
			}
		}
	}
	if len(v2) == 0 {
		return nil
	}
	return g.addV2(h.v2, v2, l)
}

// addV1 makes the folder of one version 1 controller. Controllers that are
// mounted together share one.
func (g *Group) addV1(c Controller, l Limits) error {
	path := filepath.Join(c.Dir, g.name)
	i := slices.IndexFunc(g.members, func(m member) bool { return m.path == path })
	if i < 0 {
		if err := mkdir(c.Dir); err != nil {
			return err
		}
		m := member{version: 1, path: path}
		if err := m.create(); err != nil {
			return err
		}
		g.members = append(g.members, m)
		i = len(g.members) - 1
	}
	m := &g.members[i]
	m.controllers = append(m.controllers, c.Name)
	if err := g.limit(*m, c.Name, l); err != nil {
		return err
	}
	if m.tasks != nil {
		return nil
	}
	tasks, err := os.OpenFile(filepath.Join(path, "tasks"), os.O_WRONLY, 0)
	m.tasks = tasks
	return err
}

// addV2 makes the folder of the version 2 controllers. When the hierarchy
// cannot be set up, their limits are missing, because only trying tells.
func (g *Group) addV2(t *tree, controllers []string, l Limits) error {
	if err := t.prepare(controllers); err != nil {
		for _, c := range controllers {
			if l.wants(c) {
				g.missing = append(g.missing, fmt.Sprintf("cgroup %s: %v", c, err))
			}
		}
		return nil
	}
	m := member{version: 2, path: filepath.Join(t.base, parent, g.name), controllers: controllers}
	if err := m.create(); err != nil {
		return err
	}
	g.members = append(g.members, m)
	for _, c := range controllers {
		if err := g.limit(m, c, l); err != nil {
			return err
		}
	}
	return nil
}

// create makes the folder and locks it. A folder left by a dead process is
// removed first.
func (m *member) create() error {
	for range 3 {
		err := os.Mkdir(m.path, 0o755)
		if errors.Is(err, fs.ErrExist) {
			if !sweepOne(m.path) {
				return fault.Newf(fault.Exists, "cgroup %s is in use", m.path)
			}
			continue
		}
		if err != nil {
			return err
		}
		lock, err := lockDir(m.path)
		if err != nil {
			continue // a sweeper took the new folder for an old one
		}
		m.lock = lock
		return nil
	}
	return fault.Newf(fault.Unavailable, "cgroup %s: somebody removes it again and again", m.path)
}

// TaskFiles are the tasks files of version 1. The process that shall be in the
// group writes "0" into each, while it has one thread. They belong to g.
func (g *Group) TaskFiles() []*os.File {
	var files []*os.File
	for _, m := range g.members {
		if m.tasks != nil {
			files = append(files, m.tasks)
		}
	}
	return files
}

// DirFD is the folder of version 2, for CLONE_INTO_CGROUP; -1 when there is
// none. It belongs to g.
func (g *Group) DirFD() int {
	for _, m := range g.members {
		if m.version == 2 {
			return int(m.lock.Fd())
		}
	}
	return -1
}

// Missing lists the limits that are not enforced, in words; empty when all are.
func (g *Group) Missing() []string { return g.missing }

// Close removes the group, which must be empty: Kill first. A process that was
// just killed keeps its group busy for a moment, so Close tries for about two
// seconds. It may be called twice.
func (g *Group) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	var errs []error
	for _, m := range g.members {
		errs = append(errs, m.remove())
	}
	g.closed = errors.Join(errs...) == nil
	return errors.Join(errs...)
}

// remove takes the folder away and lets go of its files.
func (m member) remove() error {
	if err := rmdir(m.path); err != nil {
		return fmt.Errorf("remove cgroup: %w", err)
	}
	if m.tasks != nil {
		m.tasks.Close()
	}
	if m.lock != nil {
		m.lock.Close()
	}
	return nil
}

// lockDir opens a folder and takes the lock that says "its owner lives". It
// fails when another has the lock, or when the folder was removed meanwhile.
func lockDir(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := flock(f); err != nil {
		f.Close()
		return nil, err
	}
	var held, named unix.Stat_t
	if unix.Fstat(int(f.Fd()), &held) != nil || unix.Stat(path, &named) != nil || held.Ino != named.Ino {
		f.Close()
		return nil, fs.ErrNotExist
	}
	return f, nil
}

func flock(f *os.File) error {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}
