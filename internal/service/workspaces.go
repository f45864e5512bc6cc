package service

import (
	"context"

	"github.com/bulkhead-dev/bulkhead/internal/workspace"
)

// Workspaces lists the workspaces by name. Those that cannot be read are left
// out and named in the error.
func (s *Sandboxes) Workspaces() ([]workspace.Info, error) {
	store, err := s.openWorkspaces()
	if err != nil {
		return nil, err
	}
	return store.List()
}

// Diff tells what differs between a workspace and the host.
func (s *Sandboxes) Diff(ctx context.Context, name string) ([]workspace.Change, error) {
	var changes []workspace.Change
	err := s.withWorkspace(name, func(w *workspace.Workspace) (err error) {
		changes, err = w.Diff(ctx, workspace.Limits{})
		return err
	})
	return changes, err
}

// CommitWorkspace gives the host what the filter takes. A workspace of which
// nothing is left is removed.
func (s *Sandboxes) CommitWorkspace(ctx context.Context, name string, filter workspace.Filter) (Written, error) {
	out := Written{Name: name, Kept: true}
	err := s.withWorkspace(name, func(w *workspace.Workspace) (err error) {
		if out.Outcome, err = w.Commit(ctx, filter); err != nil || len(out.Outcome.Held) > 0 {
			return err
		}
		out.Changes, err = w.Diff(ctx, filter.Limits)
		if err != nil || len(out.Changes) > 0 {
			return err
		}
		out.Kept = false
		return w.Discard()
	})
	return out, err
}

// DiscardWorkspace throws away what was written.
func (s *Sandboxes) DiscardWorkspace(name string) error {
	return s.withWorkspace(name, (*workspace.Workspace).Discard)
}

// ForkWorkspace makes a second workspace that begins where the first is now;
// an empty name is made up.
func (s *Sandboxes) ForkWorkspace(name, fork string) (workspace.Info, error) {
	var info workspace.Info
	err := s.withWorkspace(name, func(w *workspace.Workspace) error {
		f, err := w.Fork(fork)
		if err != nil {
			return err
		}
		defer f.Release()
		info = f.Info()
		return nil
	})
	return info, err
}

// withWorkspace does something while a workspace is held.
func (s *Sandboxes) withWorkspace(name string, f func(*workspace.Workspace) error) error {
	store, err := s.openWorkspaces()
	if err != nil {
		return err
	}
	w, err := store.Hold(name)
	if err != nil {
		return err
	}
	defer w.Release()
	return f(w)
}
