package workspace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// committer carries changes to the host.
type committer struct {
	workspace *Workspace
	out       *Outcome
	written   map[int]map[string]int64 // by folder and path

	folder int // at hand
	base   tree
	layers []tree
	ours   map[inode]bool // replaced or removed by this commit: other names of them change too
	closed []Change       // new folders that the owner may not write, once they are filled
}

// inode is a file whatever its names.
type inode struct{ dev, ino uint64 }

// run commits changes, folder by folder.
func (c *committer) run(ctx context.Context, changes []Change) error {
	for i, f := range c.workspace.info.Folders {
		var mine []Change
		for _, ch := range changes {
			if ch.folder == i {
				mine = append(mine, ch)
			}
		}
		if len(mine) == 0 {
			continue
		}
		if err := c.runFolder(ctx, i, f, mine); err != nil {
			return err
		}
	}
	return nil
}

func (c *committer) runFolder(ctx context.Context, i int, f Folder, changes []Change) error {
	base, err := openTree(f.Source)
	if err != nil {
		return err
	}
	defer base.close()
	c.folder, c.base, c.layers, c.written[i] = i, base, nil, map[string]int64{}
	c.ours, c.closed = map[inode]bool{}, nil
	for _, name := range c.workspace.layersOf(f) {
		t, err := openTree(name)
		if err != nil {
			return err
		}
		defer t.close()
		c.layers = append(c.layers, t)
	}
	for _, ch := range inOrder(changes) {
		if err := ctx.Err(); err != nil {
			return fault.Newf(fault.Cancelled, "commit: %w", err)
		}
		if err := c.one(ch); err != nil {
			return err
		}
	}
	for _, ch := range slices.Backward(c.closed) {
		if err := c.permissions(ch); err != nil {
			c.out.Held = append(c.out.Held, Held{ch, "its permissions could not be set: " + reason(err)})
		}
	}
	return nil
}

// inOrder puts removals first, deepest first, and then the rest, parents first:
// so a name is free before something else takes it, and a folder is there
// before what is in it. Permissions of folders come last, because they may
// forbid what is to be done in them.
func inOrder(changes []Change) []Change {
	rank := func(c Change) int {
		switch {
		case c.Op == Removed:
			return 0
		case c.Op == Mode && c.Kind == Dir:
			return 2
		}
		return 1
	}
	ordered := slices.Clone(changes)
	slices.SortStableFunc(ordered, func(a, b Change) int {
		if d := cmp.Compare(rank(a), rank(b)); d != 0 {
			return d
		}
		if rank(a) != 1 {
			return cmp.Compare(strings.Count(b.rel, "/"), strings.Count(a.rel, "/"))
		}
		return cmp.Compare(strings.Count(a.rel, "/"), strings.Count(b.rel, "/"))
	})
	return ordered
}

// errElsewhere says that the host is no longer as the change needs it.
var errElsewhere = errors.New("it changed on the host meanwhile")

// one commits one change. What the host, or a change before it, makes
// impossible is held back; an error is only what ends everything.
func (c *committer) one(ch Change) error {
	err := c.check(ch)
	if err == nil {
		err = c.carry(ch)
	}
	switch {
	case err == nil:
		c.out.Done = append(c.out.Done, ch)
		if st, err := c.base.stat(ch.rel); err == nil {
			c.written[c.folder][ch.rel] = st.Ctim.Nano()
		}
		return nil
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fault.Newf(fault.Exhausted, "commit %s: %s", ch.Path, reason(err))
	}
	c.out.Held = append(c.out.Held, Held{ch, reason(err)})
	return nil
}

// check compares what the host has with what it had when the change was found.
func (c *committer) check(ch Change) error {
	st, err := c.base.stat(ch.rel)
	if missing(err) {
		if ch.was != (stamp{}) {
			return errElsewhere
		}
		return nil
	}
	if err != nil {
		return err
	}
	now := entry{there: true, st: st}
	id := inode{st.Dev, st.Ino}
	same := now.stamp() == ch.was
	if now.isDir() || c.ours[id] { // it changes with what this commit does
		same = id == inode{ch.was.Dev, ch.was.Ino}
	}
	if !same {
		return errElsewhere
	}
	c.ours[id] = true
	return nil
}

// carry makes the host's path what the sandbox made of it.
func (c *committer) carry(ch Change) error {
	if ch.Op == Mode {
		return c.permissions(ch)
	}
	folder, name, err := c.base.parent(ch.rel)
	if err != nil {
		return err
	}
	defer folder.Close()
	if ch.Op == Removed {
		return c.remove(folder, name, ch)
	}
	return c.put(folder, name, ch)
}

// permissions sets the nine bits of a file or folder.
func (c *committer) permissions(ch Change) error {
	f, err := c.base.open(ch.rel, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := statFile(f)
	if err != nil {
		return err
	}
	if e := (entry{there: true, st: st}); e.kind() != ch.Kind {
		return errElsewhere
	}
	return os.Chmod(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), ch.Mode.Perm())
}

// remove takes a name of the host away. A folder is moved aside first, so that
// it goes as a whole.
func (c *committer) remove(folder *os.File, name string, ch Change) error {
	if ch.Kind != Dir && ch.Was != Dir {
		return pathError("remove", ch.rel, unix.Unlinkat(int(folder.Fd()), name, 0))
	}
	aside := temporary()
	if err := unix.Renameat2(int(folder.Fd()), name, int(folder.Fd()), aside, unix.RENAME_NOREPLACE); err != nil {
		return pathError("remove", ch.rel, err)
	}
	err := removeBeneath(c.base, path.Join(path.Dir(ch.rel), aside))
	if err != nil { // what is left of it stays where it was
		_ = unix.Renameat2(int(folder.Fd()), aside, int(folder.Fd()), name, unix.RENAME_NOREPLACE)
	}
	return err
}

// put puts what the sandbox has into the place.
func (c *committer) put(folder *os.File, name string, ch Change) error {
	temp := temporary()
	if err := c.make(folder, temp, ch); err != nil {
		c.drop(folder, temp, ch.Kind)
		return err
	}
	err := c.place(folder, temp, name, ch)
	if err != nil {
		c.drop(folder, temp, ch.Kind)
	}
	return err
}

// make makes the new file, folder or link under another name.
func (c *committer) make(folder *os.File, temp string, ch Change) error {
	switch ch.Kind {
	case Dir:
		if err := unix.Mkdirat(int(folder.Fd()), temp, 0o700); err != nil {
			return pathError("make", ch.rel, err)
		}
		d, err := c.base.open(path.Join(path.Dir(ch.rel), temp), unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		defer d.Close()
		open := ch
		if open.Mode |= 0o700; open.Mode != ch.Mode {
			c.closed = append(c.closed, ch)
		}
		return c.finish(folder, d, open)
	case Link:
		if err := unix.Symlinkat(ch.Target, int(folder.Fd()), temp); err != nil {
			return pathError("make", ch.rel, err)
		}
		uid, gid, err := c.owner(folder, ch)
		if err != nil || os.Geteuid() != 0 {
			return err
		}
		return pathError("make", ch.rel, unix.Fchownat(int(folder.Fd()), temp, uid, gid, unix.AT_SYMLINK_NOFOLLOW))
	case File:
		return c.makeFile(folder, temp, ch)
	}
	return errors.New("it is neither a file nor a folder nor a link")
}

func (c *committer) makeFile(folder *os.File, temp string, ch Change) error {
	from, st, err := c.layers[ch.layer].regular(ch.rel)
	if err != nil {
		return err
	}
	defer from.Close()
	if st.Size != ch.Size {
		return errors.New("it changed in the workspace meanwhile")
	}
	fd, err := unix.Openat(int(folder.Fd()), temp, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return pathError("make", ch.rel, err)
	}
	to := os.NewFile(uintptr(fd), temp)
	defer to.Close()
	if err := copyFile(to, from, st.Size); err != nil {
		return err
	}
	if err := c.finish(folder, to, ch); err != nil {
		return err
	}
	times := []unix.Timespec{st.Atim, st.Mtim}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", to.Fd()), times, 0); err != nil {
		return pathError("make", ch.rel, err)
	}
	return nil
}

// finish gives a new file or folder its owner and the nine bits of its mode.
func (c *committer) finish(folder, made *os.File, ch Change) error {
	uid, gid, err := c.owner(folder, ch)
	if err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		if err := made.Chown(uid, gid); err != nil {
			return err
		}
	}
	return made.Chmod(ch.Mode.Perm())
}

// owner is who owns what a change makes: the owner of what it replaces, or
// else of the folder.
func (c *committer) owner(folder *os.File, ch Change) (uid, gid int, err error) {
	st, err := c.base.stat(ch.rel)
	if missing(err) {
		st, err = statFile(folder)
	}
	return int(st.Uid), int(st.Gid), err
}

// place renames what was made into its place. What replaces nothing does not
// overwrite what came meanwhile.
func (c *committer) place(folder *os.File, temp, name string, ch Change) error {
	dir := int(folder.Fd())
	switch {
	case ch.was == (stamp{}):
		return pathError("rename", ch.rel, unix.Renameat2(dir, temp, dir, name, unix.RENAME_NOREPLACE))
	case ch.Kind != Dir && ch.Was != Dir:
		return pathError("rename", ch.rel, unix.Renameat(dir, temp, dir, name))
	}
	if err := unix.Renameat2(dir, temp, dir, name, unix.RENAME_EXCHANGE); err != nil {
		return pathError("rename", ch.rel, err)
	}
	return removeBeneath(c.base, path.Join(path.Dir(ch.rel), temp)) // what it replaced
}

// drop removes what was made and is not needed.
func (c *committer) drop(folder *os.File, temp string, kind Kind) {
	flags := 0
	if kind == Dir {
		flags = unix.AT_REMOVEDIR
	}
	_ = unix.Unlinkat(int(folder.Fd()), temp, flags)
}

// temporary is a name in a host folder for what is not finished. Whoever finds
// one after a crash may remove it.
func temporary() string { return ".bulkhead-commit-" + randomID() }

func pathError(op, rel string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: rel, Err: err}
}

// removeBeneath removes a path of a tree with everything in it, without
// following a link or crossing a mount.
func removeBeneath(t tree, rel string) error {
	st, err := t.stat(rel)
	if err != nil {
		return err
	}
	folder, name, err := t.parent(rel)
	if err != nil {
		return err
	}
	defer folder.Close()
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return pathError("remove", rel, unix.Unlinkat(int(folder.Fd()), name, 0))
	}
	names, err := t.names(rel, maxEntries)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := removeBeneath(t, path.Join(rel, n)); err != nil {
			return err
		}
	}
	return pathError("remove", rel, unix.Unlinkat(int(folder.Fd()), name, unix.AT_REMOVEDIR))
}

// copyFile copies size bytes, sharing blocks where the file system can and
// keeping holes where not: a sandbox could make a file of terabytes of nothing.
func copyFile(to, from *os.File, size int64) error {
	if unix.IoctlFileClone(int(to.Fd()), int(from.Fd())) == nil {
		return nil
	}
	for at := int64(0); at < size; {
		data, err := unix.Seek(int(from.Fd()), at, unix.SEEK_DATA)
		if err == unix.ENXIO { // only a hole is left
			break
		}
		if err != nil {
			return pathError("read", from.Name(), err)
		}
		hole, err := unix.Seek(int(from.Fd()), data, unix.SEEK_HOLE)
		if err != nil {
			return pathError("read", from.Name(), err)
		}
		end := min(hole, size)
		n, err := io.Copy(io.NewOffsetWriter(to, data), io.NewSectionReader(from, data, end-data))
		if err != nil {
			return err
		}
		if n < end-data {
			return errors.New("it became shorter in the workspace meanwhile")
		}
		at = end
	}
	return to.Truncate(size)
}
