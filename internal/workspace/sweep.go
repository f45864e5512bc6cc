package workspace

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// removeNamed forgets a workspace. The store is locked.
func (s *Store) removeNamed(name string) error {
	if err := removeTree(s.named(name)); err != nil {
		return fault.Newf(fault.Unavailable, "remove workspace: %w", err)
	}
	return nil
}

// sweep removes layers that no workspace has. The store is locked. When one
// workspace cannot be read, nobody knows which layers are its, and all stay.
func (s *Store) sweep() error {
	all, err := s.List()
	if err != nil {
		return nil
	}
	if err := s.sweepNames(all); err != nil {
		return err
	}
	used := map[string]bool{}
	for _, info := range all {
		for _, f := range info.Folders {
			used[f.Upper] = true
			for _, id := range f.Layers {
				used[id] = true
			}
		}
	}
	entries, err := os.ReadDir(filepath.Join(s.dir, layersFolder))
	if err != nil {
		return fault.Newf(fault.Unavailable, "sweep layers: %w", err)
	}
	var problems error
	for _, e := range entries {
		if !used[e.Name()] {
			problems = errors.Join(problems, removeTree(s.layer(e.Name())))
		}
	}
	if problems != nil {
		return fault.Newf(fault.Unavailable, "sweep layers: %w", problems)
	}
	return nil
}

// sweepNames removes what a killed process left of workspaces that it was
// making or removing.
func (s *Store) sweepNames(known []Info) error {
	names, err := s.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if slices.ContainsFunc(known, func(i Info) bool { return i.Name == name }) {
			continue
		}
		if err := s.removeNamed(name); err != nil {
			return err
		}
	}
	return nil
}
