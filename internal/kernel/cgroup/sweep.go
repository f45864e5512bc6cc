//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Sweep removes the groups whose owner is dead, with whatever still runs in
// them, and returns how many folders that were. A group's owner holds a lock
// on its folder, which the kernel drops when the owner ends in any way; a pid
// in a name would not do, because owners in other pid namespaces have their
// own numbers.
func (h Hierarchy) Sweep() (int, error) {
	var n int
	var errs []error
	seen := map[string]bool{}
	for _, c := range h.controllers {
		if !c.Usable || seen[c.Dir] {
			continue
		}
		seen[c.Dir] = true
		removed, err := sweepDir(c.Dir)
		n += removed
		errs = append(errs, err)
	}
	return n, errors.Join(errs...)
}

// sweepDir looks at every group in one folder.
func sweepDir(dir string) (int, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("sweep cgroups: %w", err)
	}
	n := 0
	for _, e := range entries {
		if e.IsDir() && sweepOne(filepath.Join(dir, e.Name())) {
			n++
		}
	}
	return n, nil
}

// sweepOne removes a group whose owner is dead, and says whether it is gone.
func sweepOne(path string) bool {
	lock, err := lockDir(path)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	defer lock.Close()
	return killAll(path) == nil && rmdir(path) == nil
}
