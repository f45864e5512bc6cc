package service

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/workspace"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Overlay says that what a command may write is shown through an overlay, and
// what becomes of what it wrote.
type Overlay struct {
	Name   string           // of a workspace to go on with, or of the new one; empty: a new name
	After  After            //
	Filter workspace.Filter // of a commit
}

// After is what becomes of a workspace when its command has ended.
type After int

// The choices. A workspace in which nothing was written is never kept.
const (
	Keep    After = iota // for later commands and looks
	Commit               // to the host, if the command succeeded; what is held back is kept
	Discard              // whatever was written
)

// Written is what a command wrote to an overlay, and what became of it.
type Written struct {
	Name    string
	Kept    bool
	Changes []workspace.Change
	Outcome workspace.Outcome // of a commit
	Note    string            // why nothing was committed although it was asked for; empty: it was, or was not asked for
}

// WithWorkspaces gives the actions a place for workspaces. Open is called when
// one is needed.
func (s *Sandboxes) WithWorkspaces(open func() (*workspace.Store, error)) *Sandboxes {
	s.workspaces = open
	return s
}

// ExecOver runs a command over an overlay: nothing of the host that it may
// write is written, unless the overlay says so afterwards. An error means that
// nothing ran, or that what was written could not be looked at or committed;
// then the workspace is kept.
func (s *Sandboxes) ExecOver(ctx context.Context, c Command, o Overlay, streams sandbox.IO) (sandbox.Result, Written, error) {
	req, warnings, err := s.request(c)
	if err != nil {
		return sandbox.Result{}, Written{}, err
	}
	w, fresh, err := s.hold(req, o.Name)
	if err != nil {
		return sandbox.Result{}, Written{}, err
	}
	defer w.Release()

	req.Overlays = overlaysOf(w)
	result, err := s.compartments.Run(ctx, req, streams)
	if err != nil {
		if fresh {
			_ = w.Discard()
		}
		return result, Written{}, err
	}
	result.Report.Missing = append(result.Report.Missing, warnings...)
	written, err := settle(context.WithoutCancel(ctx), w, o, failure(result))
	return result, written, err
}

// failure says why the work of a command should not be committed; empty: it
// succeeded.
func failure(r sandbox.Result) string {
	switch {
	case r.Cancelled:
		return "the command was stopped"
	case r.TimedOut:
		return "the command ran out of time"
	case r.Signal != 0 || r.Limit != "" || r.ExitCode != 0:
		return "the command failed"
	}
	return ""
}

// settle looks at what was written and does what was asked for.
func settle(ctx context.Context, w *workspace.Workspace, o Overlay, failed string) (Written, error) {
	out := Written{Name: w.Info().Name, Kept: true}
	var err error
	if out.Changes, err = w.Diff(ctx, o.Filter.Limits); err != nil && o.After != Discard {
		return out, err
	}
	drop := o.After == Discard || len(out.Changes) == 0
	switch {
	case drop:
	case o.After == Commit && failed != "":
		out.Note = failed
	case o.After == Commit:
		out.Outcome, err = w.Commit(ctx, o.Filter)
		if err != nil {
			return out, err
		}
		drop = len(out.Outcome.Held) == 0
	}
	if drop {
		out.Kept = false
		return out, w.Discard()
	}
	return out, nil
}

// hold takes the named workspace, which must be over the same folders, or a
// new one.
func (s *Sandboxes) hold(req sandbox.Request, name string) (w *workspace.Workspace, fresh bool, err error) {
	store, err := s.openWorkspaces()
	if err != nil {
		return nil, false, err
	}
	sources, err := writable(req)
	if err != nil {
		return nil, false, err
	}
	if name != "" {
		w, err = store.Hold(name)
		if err == nil {
			err = sameFolders(w, sources)
		}
		if fault.KindOf(err) != fault.NotFound {
			return w, false, err
		}
	}
	w, err = store.Create(workspace.Options{Name: name, Sources: sources, Protect: protected(req)})
	return w, true, err
}

func (s *Sandboxes) openWorkspaces() (*workspace.Store, error) {
	if s.workspaces == nil {
		return nil, fault.New(fault.Unsupported, "there is no place for workspaces")
	}
	return s.workspaces()
}

// writable are the host folders that a request may write. Single files cannot
// be shown through an overlay.
func writable(req sandbox.Request) ([]string, error) {
	var all []string
	for _, p := range append([]string{req.Workspace}, req.Policy.Filesystem.Write...) {
		if p == "" || policy.InWorkspace(p) {
			continue
		}
		info, err := os.Stat(p)
		if err != nil {
			return nil, fault.Newf(fault.Invalid, "overlay: %w", err)
		}
		if !info.IsDir() {
			return nil, fault.Newf(fault.Invalid, "%s is a file; only folders can be shown through an overlay", p).
				WithHint("grant its folder instead")
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		return nil, fault.New(fault.Invalid, "there is nothing to show through an overlay").
			WithHint("name a folder with --workspace DIR or --write DIR")
	}
	return all, nil
}

// protected is what the policy of a request protects, by where it is.
func protected(req sandbox.Request) []string {
	var all []string
	for _, p := range req.Policy.Filesystem.Protect {
		if policy.InWorkspace(p) {
			p = req.Workspace + p[len("$WORKSPACE"):]
		}
		all = append(all, p)
	}
	return all
}

// sameFolders refuses to go on with a workspace over other folders.
func sameFolders(w *workspace.Workspace, sources []string) error {
	var have []string
	for _, f := range w.Info().Folders {
		have = append(have, f.Source)
	}
	for _, p := range sources {
		real, err := filepath.EvalSymlinks(p)
		if err != nil {
			return fault.Newf(fault.Invalid, "overlay: %w", err)
		}
		if !slices.ContainsFunc(have, func(dir string) bool { return within(real, dir) }) {
			w.Release()
			return fault.Newf(fault.Invalid, "workspace %q is over %q, not over %s", w.Info().Name, have, real)
		}
	}
	return nil
}

// within says whether a clean path is a folder or lies in it.
func within(p, dir string) bool {
	rel, err := filepath.Rel(dir, p)
	return err == nil && filepath.IsLocal(rel)
}

// overlaysOf are a workspace's folders for a request.
func overlaysOf(w *workspace.Workspace) []sandbox.Overlay {
	var all []sandbox.Overlay
	for _, o := range w.Overlays() {
		all = append(all, sandbox.Overlay(o))
	}
	return all
}

// planned are the overlays of a request whose workspace does not exist yet,
// to be explained and not started.
func planned(req sandbox.Request) ([]sandbox.Overlay, error) {
	sources, err := writable(req)
	if err != nil {
		return nil, err
	}
	var all []sandbox.Overlay
	for _, p := range sources {
		real, err := filepath.EvalSymlinks(p)
		if err != nil {
			return nil, fault.Newf(fault.Invalid, "overlay: %w", err)
		}
		if !slices.ContainsFunc(all, func(o sandbox.Overlay) bool { return within(real, o.Source) }) {
			all = append(all, sandbox.Overlay{Source: real, Upper: "/a/new/layer"})
		}
	}
	return all, nil
}
