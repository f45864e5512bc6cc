//go:build linux

// Package cgroup puts processes into control groups that bound the memory,
// the number and the processor time of a whole tree of them.
//
// It works on version 2, on version 1, and on hosts that have both, always
// beneath the cgroup that the caller is in itself:
//
//	version 1: <own cgroup of the controller>/bulkhead/<name>
//	version 2: <own cgroup or its parent>/bulkhead/<name>
//
// A process enters a version 1 group by writing "0" into the group's tasks
// file itself, while it has one thread: writing a pid into cgroup.procs takes
// the kernel's system-wide lock and costs 10 ms. It enters a version 2 group
// by being born there (CLONE_INTO_CGROUP).
//
// What a host does not let us bound is said in words, never skipped silently:
// see Hierarchy.Controllers and Group.Missing.
package cgroup

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// parent is the name of the group beneath which all of ours are. Tests have
// another, so that they never sweep anything but their own.
var parent = "bulkhead"

// wanted are the controllers that Bulkhead uses.
var wanted = []string{"memory", "pids", "cpu"}

// Hierarchy is where this process can make groups. It is a value; copies share
// what was set up. All methods may be called concurrently.
type Hierarchy struct {
	controllers []Controller
	extra       []Controller // version 1 controllers that only live groups join
	v2          *tree        // nil: no version 2 hierarchy with a controller for us
}

// Controller is one resource that can, or cannot, be bounded here.
type Controller struct {
	Name    string // memory, pids, cpu
	Version int    // of the hierarchy that has it: 1, 2, or 0 for none
	Dir     string // where our groups go; empty when not usable
	Usable  bool
	Why     string // why not, in words; empty when usable
}

// Detect looks at the mounts and at the caller's own groups. It changes
// nothing. A host without cgroups is not an error: then no controller is
// usable, and each says why.
func Detect() (Hierarchy, error) {
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return Hierarchy{}, fmt.Errorf("find cgroup mounts: %w", err)
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return Hierarchy{}, fmt.Errorf("find own cgroup: %w", err)
	}
	mounts, groups := parseMounts(string(mountinfo)), parseOwn(string(own))
	h := detect(mounts, groups, wanted)
	for _, c := range detect(mounts, groups, extra).controllers {
		if c.Usable && c.Version == 1 {
			h.extra = append(h.extra, c)
		}
	}
	return h, nil
}

// Controllers lists memory, pids and cpu, usable or not.
func (h Hierarchy) Controllers() []Controller { return h.controllers }

// detect decides for each controller where its groups go.
func detect(mounts []mount, own membership, names []string) Hierarchy {
	v2 := findTree(mounts, own)
	var h Hierarchy
	for _, name := range names {
		c := Controller{Name: name}
		if v2 != nil && v2.has(name) {
			c.Version, h.v2 = 2, v2
			c.Dir, c.Why = v2.place()
		} else {
			c.Version, c.Dir, c.Why = placeV1(mounts, own, name)
		}
		if c.Version == 0 && v2 != nil {
			c.Version, c.Why = 2, "the controller is not handed down to "+v2.own
		}
		c.Usable = c.Why == ""
		if !c.Usable {
			c.Dir = ""
		}
		h.controllers = append(h.controllers, c)
	}
	return h
}

// placeV1 is the folder beneath which a version 1 controller's groups go.
func placeV1(mounts []mount, own membership, name string) (version int, dir, why string) {
	for _, m := range mounts {
		if m.version != 1 || !m.controllers[name] {
			continue
		}
		dir, ok := m.locate(own.v1[name])
		if !ok {
			return 1, "", "the caller's own cgroup is outside the mount at " + m.point
		}
		if err := writable(dir); err != nil {
			return 1, "", fmt.Sprintf("%s: %v", dir, err)
		}
		return 1, filepath.Join(dir, parent), ""
	}
	return 0, "", "no cgroup hierarchy with this controller is mounted"
}

// writable says whether this process may make a folder in dir, or already has.
func writable(dir string) error {
	if ours := filepath.Join(dir, parent); access(ours, unix.W_OK|unix.X_OK) == nil {
		return nil
	}
	return access(dir, unix.W_OK|unix.X_OK)
}

func access(path string, mode uint32) error {
	return unix.Faccessat(unix.AT_FDCWD, path, mode, unix.AT_EACCESS)
}
