//go:build linux

// Package beneath resolves paths under a folder, as if it were the root of the
// file system: absolute paths and absolute symbolic links start at it, and
// ".." ends at it. The kernel never follows a link for us, so neither a link
// that is swapped in the middle nor one of /proc leads out.
//
// openat2(2) with RESOLVE_IN_ROOT would do the same in one call, but a
// sandbox's filter cannot look at its arguments and does not offer it.
package beneath

import (
	"strings"

	"golang.org/x/sys/unix"
)

// Root is a folder. It is safe for concurrent use.
type Root struct{ fd int }

// Open opens a folder as a root.
func Open(dir string) (*Root, error) {
	fd, err := openat(unix.AT_FDCWD, dir, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	return &Root{fd}, nil
}

// At returns the folder that a descriptor is open on as a root. The descriptor
// stays the caller's.
func At(fd int) (*Root, error) {
	dup, err := openat(fd, ".", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	return &Root{dup}, nil
}

// Close closes the root. What was opened beneath it stays open.
func (r *Root) Close() error { return unix.Close(r.fd) }

// The bounds of one resolution, as the kernel has them.
const (
	maxLinks = 40
	maxPath  = 4096
)

// Parent is a folder and a name in it, which may or may not exist. Dir is the
// caller's to close.
type Parent struct {
	Dir  int
	Name string // "." for the root itself
}

// Close closes the folder.
func (p Parent) Close() { _ = unix.Close(p.Dir) }

// Resolve finds the folder that holds the last element of path. Symbolic
// links on the way are followed; a last one only with follow. Errors are the
// errors of path resolution: ENOENT, ENOTDIR, ELOOP, EACCES, ENAMETOOLONG.
func (r *Root) Resolve(path string, follow bool) (Parent, error) {
	w := walk{root: r, rest: split(path)}
	if len(path) >= maxPath {
		return Parent{}, unix.ENAMETOOLONG
	}
	if err := w.restart(); err != nil {
		return Parent{}, err
	}
	for len(w.rest) > 0 {
		done, err := w.step(follow)
		if err != nil {
			_ = unix.Close(w.dir)
			return Parent{}, err
		}
		if done {
			return Parent{w.dir, w.rest[0]}, nil
		}
	}
	return w.self()
}

// walk is one resolution under way.
type walk struct {
	root  *Root
	dir   int      // the folder reached
	names []string // how it was reached, without links
	rest  []string // what is left
	links int
}

// step takes one element. It is done when the last one is left.
func (w *walk) step(follow bool) (done bool, err error) {
	name := w.rest[0]
	last := len(w.rest) == 1
	switch {
	case name == "..":
		w.rest = w.rest[1:]
		return false, w.up()
	case last && !follow:
		return true, nil
	case last:
		return w.lastLink(name)
	}
	fd, err := openat(w.dir, name, unix.O_PATH|unix.O_DIRECTORY)
	if err == unix.ENOTDIR || err == unix.ELOOP {
		return false, w.link(name)
	}
	if err != nil {
		return false, err
	}
	_ = unix.Close(w.dir)
	w.dir, w.names, w.rest = fd, append(w.names, name), w.rest[1:]
	return false, nil
}

// lastLink follows the last element if it is a link.
func (w *walk) lastLink(name string) (done bool, err error) {
	var st unix.Stat_t
	err = unix.Fstatat(w.dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT {
		return true, nil
	}
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFLNK {
		return err == nil, err
	}
	return false, w.link(name)
}

// link puts a link's target in its place. The kernel only ever reads it.
func (w *walk) link(name string) error {
	target, err := Readlink(w.dir, name)
	if err == unix.EINVAL {
		return unix.ENOTDIR // neither a folder nor a link
	}
	if err != nil {
		return err
	}
	if w.links++; w.links > maxLinks {
		return unix.ELOOP
	}
	w.rest = append(split(target), w.rest[1:]...)
	if strings.HasPrefix(target, "/") {
		w.names = nil
		return w.restart()
	}
	return nil
}

// up goes to the parent: never by the kernel's "..", which a folder that was
// moved meanwhile would lead elsewhere, but down again from the root.
func (w *walk) up() error {
	if len(w.names) > 0 {
		w.names = w.names[:len(w.names)-1]
	}
	return w.restart()
}

// restart walks from the root to names.
func (w *walk) restart() error {
	fd, err := openat(w.root.fd, ".", unix.O_PATH|unix.O_DIRECTORY)
	for i := 0; err == nil && i < len(w.names); i++ {
		var next int
		next, err = openat(fd, w.names[i], unix.O_PATH|unix.O_DIRECTORY)
		_ = unix.Close(fd)
		fd = next
	}
	if err != nil {
		return err
	}
	if w.dir > 0 {
		_ = unix.Close(w.dir)
	}
	w.dir = fd
	return nil
}

// self names the folder reached, when a path ends in it by "..", "." or a link.
func (w *walk) self() (Parent, error) {
	if len(w.names) == 0 {
		return Parent{w.dir, "."}, nil
	}
	name := w.names[len(w.names)-1]
	err := w.up()
	return Parent{w.dir, name}, err
}

// split cuts a path into its elements. A "." and an empty one are nothing.
func split(path string) []string {
	var list []string
	for _, s := range strings.Split(path, "/") {
		if s != "" && s != "." {
			list = append(list, s)
		}
	}
	return list
}

// Readlink reads the link of that name in a folder.
func Readlink(dir int, name string) (string, error) {
	b := make([]byte, maxPath)
	n, err := unix.Readlinkat(dir, name, b)
	if err != nil {
		return "", err
	}
	return string(b[:n]), nil
}

// openat never follows a last link and never leaks into a child.
func openat(dir int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}
