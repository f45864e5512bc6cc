package workspace

import (
	"context"
	"io/fs"
	"path"
	"path/filepath"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Kind is what something in a file system is.
type Kind string

// The kinds. A hard link is a file like any other.
const (
	File    Kind = "file"
	Dir     Kind = "folder"
	Link    Kind = "link"
	Special Kind = "special" // a pipe, a socket, a device
)

// Op is what happened to a path.
type Op string

// What can happen. A rename is a removal and an addition.
const (
	Added   Op = "added"
	Changed Op = "changed" // other content, or another kind
	Removed Op = "removed" // a folder with everything in it
	Mode    Op = "mode"    // other permissions only
)

// Change is one difference between a host folder and what a sandbox made of it.
type Change struct {
	Path      string      // on the host: absolute
	Op        Op          //
	Kind      Kind        // what it is now; for Removed, what it was
	Was       Kind        // what it was before; empty: nothing, or the same kind
	Size      int64       // bytes of a file now
	Mode      fs.FileMode // permissions now, with setuid and the like
	WasMode   fs.FileMode // permissions before; the same where only the content changed
	Target    string      // where a link leads now
	Entries   int         // of a removed folder: how many files and folders it holds
	Protected string      // why a commit holds it back unless it is named; empty: it is not protected
	Problem   string      // why it cannot be committed at all; empty: it can

	folder int    // number of the workspace's folder
	rel    string // in the folder
	layer  int    // number of the layer that has it now, 0 is the upper one
	was    stamp  // what the host has; zero: nothing
	latest int64  // of a removed folder: the latest time of change in it, in nanoseconds
}

// stamp tells one state of a host file from another.
type stamp struct {
	Dev, Ino uint64
	Changed  int64 // ctime in nanoseconds: nobody can set it
}

// Limits bound a look at what a sandbox made. Zero fields have their defaults.
type Limits struct {
	Entries int // files and folders looked at; 0: 1,000,000
	Depth   int // levels of folders; 0: 200
}

const (
	maxEntries = 1_000_000
	maxDepth   = 200
	maxRel     = 3500 // bytes of a path in a folder: the kernel takes 4095 with what comes before
)

// Diff tells every difference, by path. It fails with fault.Exhausted beyond
// the limits: a partial answer would look like a whole one.
func (w *Workspace) Diff(ctx context.Context, limits Limits) ([]Change, error) {
	return w.diff(ctx, limits, w.guard(nil))
}

// guard knows what is protected, but for what is allowed.
func (w *Workspace) guard(allow []string) policy.Guard {
	return policy.NewGuard(policy.Filesystem{Protect: w.info.Protect}, allow...)
}

func (w *Workspace) diff(ctx context.Context, limits Limits, guard policy.Guard) ([]Change, error) {
	if err := w.held(); err != nil {
		return nil, err
	}
	if limits.Entries <= 0 {
		limits.Entries = maxEntries
	}
	if limits.Depth <= 0 {
		limits.Depth = maxDepth
	}
	l := &looker{ctx: ctx, limits: limits, left: limits.Entries, marks: w.info.Marks, guard: guard}
	for i, f := range w.info.Folders {
		l.written = f.Written
		if err := l.lookAt(w.layersOf(f), f.Source, i); err != nil {
			return nil, err
		}
	}
	return l.changes, nil
}

// layersOf are the trees of a folder's layers, the topmost first.
func (w *Workspace) layersOf(f Folder) []string {
	all := []string{filepath.Join(w.store.layer(f.Upper), layerTree)}
	for _, id := range f.Layers {
		all = append(all, filepath.Join(w.store.layer(id), layerTree))
	}
	return all
}

// lookAt tells the differences of one folder.
func (l *looker) lookAt(layers []string, source string, folder int) error {
	l.source, l.folder, l.layers = source, folder, nil
	base, err := openTree(source)
	if err != nil {
		return err
	}
	defer base.close()
	l.base = base
	var all []at
	for i, name := range layers {
		t, err := openTree(name)
		if err != nil {
			return err
		}
		defer t.close()
		l.layers = append(l.layers, t)
		all = append(all, at{layer: i})
	}
	st, err := base.stat(".")
	if err != nil {
		return fault.Newf(fault.Unavailable, "look at %s: %w", source, err)
	}
	if err := l.dir(".", all, entry{there: true, st: st}, false, 0); err != nil {
		return err
	}
	l.bareRepositories()
	return nil
}

// host is the path on the host of a path in the folder at hand.
func (l *looker) host(rel string) string { return path.Join(l.source, rel) }
