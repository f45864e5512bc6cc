package workspace

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// removeTree removes a folder of ours with everything that a sandbox left in
// it: folders without any permission, and folders in each other deeper than
// any path or stack is long. Each folder in a folder is moved to the top before
// its own turn comes, so the tree becomes flat as it goes. A folder that is not
// there is removed already.
func removeTree(name string) error {
	t, err := openTree(name)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer t.close()
	top, err := t.folder(".")
	if err != nil {
		return err
	}
	defer top.Close()
	names, err := top.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := removeOne(t, top, name); err != nil {
			return err
		}
	}
	return os.Remove(name)
}

// folder opens a folder after giving its owner every right to it.
func (t tree) folder(rel string) (*os.File, error) {
	f, err := t.open(rel, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := os.Chmod(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), 0o700); err != nil {
		return nil, err
	}
	return t.open(rel, unix.O_RDONLY|unix.O_DIRECTORY, 0)
}

// removeOne removes one name at the top with everything in it.
func removeOne(t tree, top *os.File, name string) error {
	err := unix.Unlinkat(int(top.Fd()), name, 0)
	if err == nil {
		return nil
	}
	if err != unix.EISDIR && err != unix.EPERM {
		return pathError("remove", name, err)
	}
	for queue := []string{name}; len(queue) > 0; {
		at := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		moved, err := emptyOne(t, top, at)
		if err != nil {
			return err
		}
		queue = append(queue, moved...)
		if err := unix.Unlinkat(int(top.Fd()), at, unix.AT_REMOVEDIR); err != nil {
			return pathError("remove", at, err)
		}
	}
	return nil
}

// emptyOne empties one folder and returns the names at the top of the folders
// that were in it.
func emptyOne(t tree, top *os.File, at string) (moved []string, err error) {
	f, err := t.folder(at)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for {
		names, err := f.Readdirnames(512)
		if len(names) == 0 {
			return moved, ended(err)
		}
		for _, name := range names {
			to, err := unlinkOrMove(f, name, top)
			if err != nil {
				return moved, err
			}
			if to != "" {
				moved = append(moved, to)
			}
		}
		if _, err := f.Seek(0, 0); err != nil { // the folder has changed under the reader
			return moved, err
		}
	}
}

// unlinkOrMove removes a name of a folder; a folder of that name is moved to
// the top, and its new name returned.
func unlinkOrMove(f *os.File, name string, top *os.File) (string, error) {
	err := unix.Unlinkat(int(f.Fd()), name, 0)
	if err == nil || err == unix.ENOENT {
		return "", nil
	}
	if err != unix.EISDIR && err != unix.EPERM {
		return "", pathError("remove", name, err)
	}
	// Moving a folder changes its "..", for which it must be writable.
	_ = unix.Fchmodat(int(f.Fd()), name, 0o700, unix.AT_SYMLINK_NOFOLLOW)
	to := "." + randomID()
	if err := unix.Renameat(int(f.Fd()), name, int(top.Fd()), to); err != nil {
		return "", pathError("remove", name, err)
	}
	return to, nil
}
