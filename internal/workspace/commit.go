package workspace

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// Filter says what of a workspace is committed. The zero Filter takes
// everything that is not held back.
type Filter struct {
	Only   []string // host paths, with what is beneath; empty: everything
	Allow  []string // protected paths that are meant, by their full host path
	Force  bool     // also what changed on the host since the workspace began
	Bytes  int64    // of all files that are written; 0: 16 GiB
	Limits Limits
}

const maxCommit = 16 << 30

// Outcome is what a commit did.
type Outcome struct {
	Done []Change
	Held []Held
}

// Held is a change that was held back, and why.
type Held struct {
	Change Change
	Why    string
}

// Commit gives the host folders what the filter takes of the changes: each file
// under another name first and then renamed into its place, so that nobody ever
// sees half of one. Setuid, setgid and sticky bits are dropped, extended
// attributes are not taken over, and a file belongs to whoever owned the one
// that it replaces, or else its folder. No link is followed.
//
// The Outcome tells what was done also when there is an error. A workspace
// whose changes were all committed begins anew, with no layers.
func (w *Workspace) Commit(ctx context.Context, filter Filter) (Outcome, error) {
	guard := w.guard(filter.Allow)
	changes, err := w.diff(ctx, filter.Limits, guard)
	if err != nil {
		return Outcome{}, err
	}
	taken, out := w.choose(changes, filter)
	if err := checkSize(taken, filter.Bytes); err != nil {
		return out, err
	}
	c := committer{workspace: w, out: &out, written: map[int]map[string]int64{}}
	err = c.run(ctx, taken)
	if saved := w.committed(&out, c.written, err == nil && len(filter.Only) == 0); err == nil {
		err = saved
	}
	return out, err
}

// choose sorts changes into those to commit and those held back.
func (w *Workspace) choose(changes []Change, filter Filter) (taken []Change, out Outcome) {
	for _, c := range changes {
		if len(filter.Only) > 0 && !slices.ContainsFunc(filter.Only, func(p string) bool { return within(c.Path, filepath.Clean(p)) }) {
			continue
		}
		if why := w.holdBack(c, filter); why != "" {
			out.Held = append(out.Held, Held{c, why})
			continue
		}
		taken = append(taken, c)
	}
	return taken, out
}

// holdBack says why a change is not committed; empty: it is.
func (w *Workspace) holdBack(c Change, filter Filter) string {
	switch {
	case c.Problem != "":
		return c.Problem
	case c.Protected != "":
		return "protected: " + c.Protected
	case !filter.Force && w.changedOnHost(c):
		return "it changed on the host since the workspace began"
	}
	return ""
}

// changedOnHost says whether the sandbox may have worked on another state of
// what the host has than there is now.
func (w *Workspace) changedOnHost(c Change) bool {
	f := w.info.Folders[c.folder]
	since := f.Since.UnixNano()
	latest := c.latest
	if c.Kind != Dir && c.Was != Dir { // a folder changes with every file in it
		latest = max(latest, c.was.Changed)
	}
	return latest > since && f.Written[c.rel] != latest
}

// checkSize refuses to begin what would be too much.
func checkSize(changes []Change, limit int64) error {
	if limit <= 0 {
		limit = maxCommit
	}
	left := limit
	for _, c := range changes {
		if c.Kind != File || c.Op == Removed || c.Op == Mode {
			continue
		}
		if c.Size > left {
			return fault.Newf(fault.Exhausted, "the changed files hold more than %d MiB", limit>>20).
				WithHint("commit a part of them, or discard the workspace")
		}
		left -= c.Size
	}
	return nil
}

// committed writes down what was committed. When that was everything, the
// layers are done with.
func (w *Workspace) committed(out *Outcome, written map[int]map[string]int64, whole bool) error {
	return w.store.locked(func() error {
		info := w.info
		info.Folders = slices.Clone(info.Folders)
		for i := range info.Folders {
			if err := w.folderCommitted(&info.Folders[i], written[i], whole && len(out.Held) == 0); err != nil {
				return err
			}
		}
		if err := w.store.save(info); err != nil {
			return err
		}
		w.info = info
		return w.store.sweep()
	})
}

func (w *Workspace) folderCommitted(f *Folder, written map[string]int64, whole bool) error {
	if whole {
		f.Layers, f.Written, f.Since = nil, nil, time.Now()
		return w.store.newUpper(f)
	}
	all := map[string]int64{}
	for rel, changed := range f.Written {
		all[rel] = changed
	}
	for rel, changed := range written {
		all[rel] = changed
	}
	f.Written = all
	return nil
}
