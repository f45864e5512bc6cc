package workspace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

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

// merged is what a sandbox sees at a path.
type merged struct {
	entry
	layer   int  // that has it
	parts   []at // of a folder
	hidden  bool // the host's entry does not show through
	below   bool // no layer has anything to say: it is the host's
	problem string
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

// merge lays the layers' entries over each other.
func (l *looker) merge(rel string, parts []at, base entry, hidden bool) merged {
	m := merged{hidden: hidden}
	found := false
	for _, p := range parts {
		t := l.layers[p.layer]
		st, err := t.stat(rel)
		if missing(err) {
			continue
		}
		e := entry{there: true, st: st}
		if err != nil {
			m.problem, m.layer = "it cannot be looked at: "+reason(err), p.layer
			return m
		}
		gone, problem := l.whiteout(t, rel, e, p)
		if problem != "" {
			m.problem, m.entry, m.layer = problem, e, p.layer
			return m
		}
		if gone || !e.isDir() {
			if !found { // else it ends the folders above it
				m.entry, m.layer = e, p.layer
				m.there = !gone
			}
			m.hidden = true
			return m
		}
		if !found {
			m.entry, m.layer, found = e, p.layer, true
		}
		opaque, problem := l.folderMarks(t, rel)
		if problem != "" {
			m.problem = problem
			return m
		}
		m.parts = append(m.parts, at{layer: p.layer, forged: opaque == "=x"})
		if opaque == "=y" {
			m.hidden = true
			return m
		}
	}
	switch {
	case found:
	case hidden: // only the host has it, and it does not show
		m.there = false
	default:
		m.below = true
	}
	if found && base.there && !base.isDir() {
		m.hidden = true
	}
	return m
}

// whiteout says whether an entry of a layer stands for a removal: a device 0:0,
// or a marked empty file in a folder that says so.
func (l *looker) whiteout(t tree, rel string, e entry, p at) (gone bool, problem string) {
	switch e.st.Mode & unix.S_IFMT {
	case unix.S_IFCHR:
		return e.st.Rdev == 0, ""
	case unix.S_IFREG:
	default:
		return false, ""
	}
	for _, name := range []string{"metacopy", "redirect"} {
		if v, err := t.mark(rel, l.marks, name, 0); err != nil || v != "" {
			return false, "its content is elsewhere: a mark of the file system that Bulkhead does not make"
		}
	}
	if !p.forged || e.st.Size != 0 {
		return false, ""
	}
	v, err := t.mark(rel, l.marks, "whiteout", 0)
	if err != nil {
		return false, "it cannot be looked at: " + reason(err)
	}
	return v != "", ""
}

// folderMarks reads what a layer's folder says about what is beneath it.
func (l *looker) folderMarks(t tree, rel string) (opaque, problem string) {
	if v, err := t.mark(rel, l.marks, "redirect", unix.O_DIRECTORY); err != nil || v != "" {
		return "", "it shows another folder: a mark of the file system that Bulkhead does not make"
	}
	opaque, err := t.mark(rel, l.marks, "opaque", unix.O_DIRECTORY)
	if err != nil {
		return "", "it cannot be looked at: " + reason(err)
	}
	return opaque, ""
}

// bareRepositories protects what git would obey in a folder that only looks
// like one of its own: it takes any folder with these names for a repository.
func (l *looker) bareRepositories() {
	for i := range l.changes {
		c := &l.changes[i]
		if c.folder != l.folder || c.Protected != "" || l.guard.Named(c.Path) {
			continue
		}
		if dir, ok := gitFolder(c.rel); ok && l.has(path.Join(dir, "HEAD")) && l.has(path.Join(dir, "objects")) && l.has(path.Join(dir, "refs")) {
			c.Protected = "a bare git repository: git runs what it names"
		}
	}
}

// gitFolder is the folder that would have to be a repository for git to obey
// a path.
func gitFolder(rel string) (dir string, ok bool) {
	names := strings.Split(rel, "/")
	for i, name := range names {
		if n := strings.ToLower(name); n == "hooks" || n == "config" && i == len(names)-1 {
			return path.Join(append([]string{"."}, names[:i]...)...), true
		}
	}
	return "", false
}

// has says whether a path is in a layer or on the host. A removal counts too:
// who removes it can bring it back.
func (l *looker) has(rel string) bool {
	for _, t := range append(slices.Clone(l.layers), l.base) {
		if _, err := t.stat(rel); err == nil {
			return true
		}
	}
	return false
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

// removed notes something that the host has and the sandbox took away.
func (l *looker) removed(rel string, base entry) error {
	c := Change{Op: Removed, Kind: base.kind(), WasMode: base.permissions(), rel: rel, was: base.stamp()}
	if base.isDir() {
		return l.replacedFolder(c, rel, base)
	}
	l.add(c)
	return nil
}

// replacedFolder notes the removal of a whole folder of the host: how much is
// in it, what of that is protected, and when it changed last.
func (l *looker) replacedFolder(c Change, rel string, base entry) error {
	if err := l.countHost(&c, rel, 0); err != nil {
		return err
	}
	l.add(c)
	return nil
}

func (l *looker) countHost(c *Change, rel string, depth int) error {
	if depth > l.limits.Depth || len(rel) > maxRel {
		c.Problem = "its folders are nested too deep"
		return nil
	}
	names, err := l.base.names(rel, l.left)
	if errors.Is(err, errTooMany) {
		return l.spend(l.left + 1)
	}
	if err != nil {
		c.Problem = "it cannot be looked into: " + reason(err)
		return nil
	}
	if err := l.spend(len(names)); err != nil {
		return err
	}
	for _, name := range names {
		at := path.Join(rel, name)
		st, err := l.base.stat(at)
		if err != nil {
			c.Problem = fmt.Sprintf("%s in it cannot be looked at: %s", name, reason(err))
			continue
		}
		e := entry{there: true, st: st}
		c.Entries++
		if !e.isDir() && st.Ctim.Nano() != l.written[at] { // a folder changes with every file in it
			c.latest = max(c.latest, st.Ctim.Nano())
		}
		if why := l.guard.Protected(l.source, at, e.isDir()); why != "" && c.Protected == "" {
			c.Protected = "it holds " + why
		}
		if e.isDir() {
			if err := l.countHost(c, at, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}
