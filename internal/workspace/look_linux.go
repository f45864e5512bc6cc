package workspace

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// looker compares what layers make of a folder with the folder itself, the way
// in which the kernel lays them over each other: Documentation/filesystems/
// overlayfs.rst, "Upper and Lower".
type looker struct {
	ctx    context.Context
	limits Limits
	left   int // entries that may still be looked at
	marks  Marks
	guard  policy.Guard

	source  string // of the folder at hand
	folder  int
	written map[string]int64 // Folder.Written
	base    tree
	layers  []tree
	changes []Change
}

// entry is what a tree has at a path.
type entry struct {
	there bool
	st    unix.Stat_t
}

func (e entry) kind() Kind {
	switch e.st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return File
	case unix.S_IFDIR:
		return Dir
	case unix.S_IFLNK:
		return Link
	}
	return Special
}

func (e entry) isDir() bool { return e.there && e.kind() == Dir }

// permissions are the nine bits with setuid, setgid and sticky.
func (e entry) permissions() fs.FileMode {
	mode := fs.FileMode(e.st.Mode & 0o777)
	for bit, m := range map[uint32]fs.FileMode{unix.S_ISUID: fs.ModeSetuid, unix.S_ISGID: fs.ModeSetgid, unix.S_ISVTX: fs.ModeSticky} {
		if e.st.Mode&bit != 0 {
			mode |= m
		}
	}
	return mode
}

func (e entry) stamp() stamp {
	if !e.there {
		return stamp{}
	}
	return stamp{Dev: e.st.Dev, Ino: e.st.Ino, Changed: e.st.Ctim.Nano()}
}

// at is a folder of one layer that takes part in a merged folder.
type at struct {
	layer  int
	forged bool // files in it may be marked as removed: "xwhiteouts"
}

// spend counts entries that were looked at.
func (l *looker) spend(n int) error {
	l.left -= n
	if l.left < 0 {
		return fault.Newf(fault.Exhausted, "%s: more than %d files and folders", l.source, l.limits.Entries)
	}
	if err := l.ctx.Err(); err != nil {
		return fault.Newf(fault.Cancelled, "look at %s: %w", l.source, err)
	}
	return nil
}

// dir compares a merged folder with the host's. parts are the layers' folders,
// topmost first; base is what the host has at the path; hidden says that a
// layer covers it, so that only what is in the layers is left.
func (l *looker) dir(rel string, parts []at, base entry, hidden bool, depth int) error {
	if depth > l.limits.Depth || len(rel) > maxRel {
		return fault.Newf(fault.Exhausted, "%s: folders are nested too deep", l.source)
	}
	names, err := l.names(rel, parts, base, hidden)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := l.entry(path.Join(rel, name), parts, base, hidden, depth); err != nil {
			return err
		}
	}
	return nil
}

// names are those that may differ: of the layers, and of a hidden folder.
func (l *looker) names(rel string, parts []at, base entry, hidden bool) ([]string, error) {
	var all []string
	add := func(t tree) error {
		some, err := t.names(rel, l.left)
		if errors.Is(err, errTooMany) {
			return l.spend(l.left + 1)
		}
		if err != nil {
			return err
		}
		all = append(all, some...)
		return l.spend(len(some))
	}
	for _, p := range parts {
		if err := add(l.layers[p.layer]); err != nil {
			return nil, l.unreadable(rel, err)
		}
	}
	if hidden && base.isDir() {
		if err := add(l.base); err != nil {
			return nil, l.unreadable(rel, err)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// unreadable notes that a folder cannot be looked into, unless the reason ends
// everything.
func (l *looker) unreadable(rel string, err error) error {
	if k := fault.KindOf(err); k == fault.Exhausted || k == fault.Cancelled {
		return err
	}
	l.add(Change{Op: Changed, Kind: Dir, Problem: "it cannot be looked into: " + reason(err), rel: rel})
	return nil
}

// reason is the cause of an error without our own paths.
func reason(err error) string {
	var perr *os.PathError
	if errors.As(err, &perr) {
		return perr.Err.Error()
	}
	return err.Error()
}

// entry compares one name.
func (l *looker) entry(rel string, parts []at, parent entry, hidden bool, depth int) error {
	base, problem := l.baseEntry(rel, parent)
	m := l.merge(rel, parts, base, hidden)
	if m.problem == "" && !m.below {
		m.problem = problem
	}
	if m.problem != "" {
		l.add(Change{Op: Changed, Kind: m.kind(), Problem: m.problem, rel: rel, layer: m.layer, was: base.stamp()})
		return nil
	}
	switch {
	case m.below:
	case !m.there && base.there:
		return l.removed(rel, base)
	case !m.there:
	case m.isDir():
		l.folderItself(rel, m, base)
		return l.dir(rel, m.parts, base, m.hidden, depth+1)
	default:
		return l.leaf(rel, m, base)
	}
	return nil
}

// baseEntry is what the host has at a path. What lies behind a mount is not
// part of the folder: the kernel does not show it through the overlay either.
func (l *looker) baseEntry(rel string, parent entry) (e entry, problem string) {
	if !parent.isDir() {
		return entry{}, ""
	}
	st, err := l.base.stat(rel)
	switch {
	case missing(err):
		return entry{}, ""
	case errors.Is(err, unix.EXDEV):
		return entry{}, "another file system of the host is mounted there"
	case err != nil:
		return entry{}, "the host's cannot be looked at: " + reason(err)
	}
	return entry{there: true, st: st}, ""
}

// add notes a change.
func (l *looker) add(c Change) {
	c.Path, c.folder = l.host(c.rel), l.folder
	if c.Protected == "" {
		c.Protected = l.guard.Protected(l.source, c.rel, c.Kind == Dir)
	}
	l.changes = append(l.changes, c)
}

// folderItself notes a folder that is new or has other permissions. What is in
// it is noted by itself.
func (l *looker) folderItself(rel string, m merged, base entry) {
	c := Change{Kind: Dir, Mode: m.permissions(), rel: rel, layer: m.layer, was: base.stamp()}
	switch {
	case !base.there:
		c.Op = Added
	case !base.isDir():
		c.Op, c.Was = Changed, base.kind()
	case base.permissions() != m.permissions():
		c.Op, c.WasMode = Mode, base.permissions()
	default:
		return
	}
	l.add(c)
}

// leaf notes a file, link or special that is new or differs.
func (l *looker) leaf(rel string, m merged, base entry) error {
	c := Change{Kind: m.kind(), Mode: m.permissions(), Size: m.st.Size, rel: rel, layer: m.layer, was: base.stamp()}
	t := l.layers[m.layer]
	switch c.Kind {
	case Special:
		c.Problem = "it is neither a file nor a folder nor a link"
	case Link:
		target, err := t.link(rel)
		if err != nil {
			return fault.Newf(fault.Unavailable, "look at %s: %s", l.host(rel), reason(err))
		}
		c.Target, c.Mode, c.Size = target, 0, 0
		c.Problem = leadsOut(rel, target)
		if c.Problem == "" {
			c.Protected = l.guard.Protected(l.source, path.Join(path.Dir(rel), target), false)
		}
	}
	switch {
	case !base.there:
		c.Op = Added
	case base.kind() != c.Kind:
		c.Op, c.Was, c.WasMode = Changed, base.kind(), base.permissions()
		if base.isDir() {
			return l.replacedFolder(c, rel, base)
		}
	default:
		same, err := l.same(rel, t, c, base)
		if err != nil {
			c.Problem = "it cannot be compared: " + reason(err)
		}
		c.Op, c.WasMode = Changed, base.permissions()
		if same && c.Mode == base.permissions() || same && c.Kind == Link {
			return nil
		}
		if same {
			c.Op = Mode
		}
	}
	l.add(c)
	return nil
}

// same says whether the host has the same content.
func (l *looker) same(rel string, t tree, c Change, base entry) (bool, error) {
	switch c.Kind {
	case Link:
		target, err := l.base.link(rel)
		return err == nil && target == c.Target, err
	case File:
		if base.st.Size != c.Size {
			return false, nil
		}
		return l.sameFile(rel, t)
	}
	return false, nil
}

// sameFile compares two files of the same size.
func (l *looker) sameFile(rel string, t tree) (bool, error) {
	a, _, err := t.regular(rel)
	if err != nil {
		return false, err
	}
	defer a.Close()
	b, _, err := l.base.regular(rel)
	if err != nil {
		return false, err
	}
	defer b.Close()
	x, y := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		if err := l.spend(0); err != nil {
			return false, err
		}
		n, errA := io.ReadFull(a, x)
		m, errB := io.ReadFull(b, y)
		if n != m || !bytes.Equal(x[:n], y[:m]) {
			return false, nil
		}
		if errA != nil || errB != nil {
			return errA == errB, ended(errA, errB)
		}
	}
}

// ended is nil where files just ended.
func ended(errs ...error) error {
	for _, err := range errs {
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return err
		}
	}
	return nil
}
