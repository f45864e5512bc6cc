package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/service"
	"github.com/bulkhead-dev/bulkhead/internal/workspace"
)

// overlayFlags say which folder is the work folder, and what becomes of what
// is written.
type overlayFlags struct {
	workspace string
	overlay   bool
	name      string
	diff      bool
	commit    bool
	discard   bool
	protected []string
}

// bind adds the flags that a plan depends on.
func (f *overlayFlags) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.workspace, "workspace", "", "`FOLDER` of yours that is its work folder, /work, which it may write")
	flags.BoolVar(&f.overlay, "overlay", false, "keep what it writes to your folders apart from them; see 'bulkhead workspace'")
	_ = cmd.MarkFlagDirname("workspace")
}

// bindAfter adds the flags for what comes afterwards.
func (f *overlayFlags) bindAfter(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.name, "name", "", "`WORKSPACE` of an overlay to go on with, or the name of the new one")
	flags.BoolVar(&f.diff, "diff", false, "tell what it wrote to an overlay")
	flags.BoolVar(&f.commit, "commit", false, "take over what it wrote to an overlay if it succeeds")
	flags.BoolVar(&f.discard, "discard", false, "throw away what it wrote to an overlay")
	bindProtected(cmd, &f.protected)
}

// bindProtected adds the flag that lets protected paths through a commit.
func bindProtected(cmd *cobra.Command, to *[]string) {
	cmd.Flags().StringArrayVar(to, "allow-protected", nil, "commit this protected `PATH` as well; may be repeated")
}

// check refuses flags that mean nothing together.
func (f *overlayFlags) check(cmd *cobra.Command) error {
	if f.commit && f.discard {
		return fault.New(fault.Invalid, "--commit and --discard exclude each other")
	}
	for _, name := range []string{"name", "diff", "commit", "discard", "allow-protected"} {
		if cmd.Flags().Changed(name) && !f.overlay {
			return fault.Newf(fault.Invalid, "--%s is about an overlay", name).
				WithHint("add --overlay to keep what it writes apart from your folders")
		}
	}
	return nil
}

// over is what was asked for.
func (f *overlayFlags) over() (service.Overlay, error) {
	allow, err := absolute(f.protected)
	o := service.Overlay{Name: f.name, Filter: workspace.Filter{Allow: allow}}
	switch {
	case f.commit:
		o.After = service.Commit
	case f.discard:
		o.After = service.Discard
	}
	return o, err
}

// absolute makes paths absolute, and follows the links of the folders that
// they are in: this is how workspaces call them.
func absolute(paths []string) ([]string, error) {
	var all []string
	for _, p := range paths {
		abs, err := filepath.Abs(p)
		if err != nil {
			return nil, fault.Newf(fault.Unavailable, "current folder: %w", err)
		}
		all = append(all, realFolder(abs))
	}
	return all, nil
}

// realFolder follows the links of the folders of a path, as far as they exist.
func realFolder(p string) string {
	dir := filepath.Dir(p)
	if dir == p {
		return p
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return filepath.Join(real, filepath.Base(p))
	}
	return filepath.Join(realFolder(dir), filepath.Base(p))
}
