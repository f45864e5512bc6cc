package workspace

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// tree is a folder whose content somebody else controls. Paths in it are
// relative and clean; "." is the folder itself. No link is ever followed, at
// no place of a path, and no mount is crossed: openat2(2). So a path leads to
// the same tree whatever the other one does at the same time.
type tree struct {
	root *os.File
}

const beneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV

// openTree opens a folder by its absolute path, which must be free of links.
func openTree(name string) (tree, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	fd, err := unix.Openat2(unix.AT_FDCWD, name, &how)
	if err != nil {
		return tree{}, fault.Newf(fault.Unavailable, "open %s: %w", name, err)
	}
	return tree{os.NewFile(uintptr(fd), name)}, nil
}

func (t tree) close() { t.root.Close() }

// open opens what is at a path, with the flags of openat(2).
func (t tree) open(rel string, flags uint64, mode uint32) (*os.File, error) {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC | unix.O_NOFOLLOW, Mode: uint64(mode), Resolve: beneath}
	fd, err := unix.Openat2(int(t.root.Fd()), rel, &how)
	for tries := 0; tries < 100 && (err == unix.EINTR || err == unix.EAGAIN); tries++ { // EAGAIN: something was renamed meanwhile
		fd, err = unix.Openat2(int(t.root.Fd()), rel, &how)
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: rel, Err: err}
	}
	return os.NewFile(uintptr(fd), rel), nil
}

// stat tells what is at a path; links are not followed.
func (t tree) stat(rel string) (unix.Stat_t, error) {
	f, err := t.open(rel, unix.O_PATH, 0)
	if err != nil {
		return unix.Stat_t{}, err
	}
	defer f.Close()
	return statFile(f)
}

func statFile(f *os.File) (st unix.Stat_t, err error) {
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return st, &os.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return st, nil
}

// missing says whether an error of a tree means that nothing is at the path.
func missing(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}

// regular opens a regular file for reading and nothing else: a pipe would
// block, and a device would do who knows what.
func (t tree) regular(rel string) (*os.File, unix.Stat_t, error) {
	f, err := t.open(rel, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, unix.Stat_t{}, err
	}
	st, err := statFile(f)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = &os.PathError{Op: "open", Path: rel, Err: errors.New("not a regular file")}
	}
	if err != nil {
		f.Close()
		return nil, st, err
	}
	return f, st, nil
}

// names lists a folder, at most limit names.
func (t tree) names(rel string, limit int) ([]string, error) {
	f, err := t.open(rel, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []string
	for {
		some, err := f.Readdirnames(512)
		all = append(all, some...)
		switch {
		case len(all) > limit:
			return nil, errTooMany
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, err
		}
	}
}

var errTooMany = errors.New("too many entries")

// link reads where a symbolic link leads.
func (t tree) link(rel string) (string, error) {
	f, err := t.open(rel, unix.O_PATH, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	buf := make([]byte, 4097)
	n, err := unix.Readlinkat(int(f.Fd()), "", buf)
	if err != nil {
		return "", &os.PathError{Op: "readlink", Path: rel, Err: err}
	}
	return string(buf[:n]), nil
}

// mark reads one of the kernel's marks; empty: it is not there. Only folders
// and regular files have marks.
func (t tree) mark(rel string, marks Marks, name string, flags uint64) (string, error) {
	f, err := t.open(rel, unix.O_PATH|flags, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	buf := make([]byte, 256)
	n, err := unix.Getxattr(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), string(marks)+name, buf)
	switch {
	case err == unix.ENODATA, err == unix.EOPNOTSUPP:
		return "", nil
	case err == unix.ERANGE:
		return "too long", nil
	case err != nil:
		return "", &os.PathError{Op: "getxattr", Path: rel, Err: err}
	}
	return "=" + string(buf[:n]), nil // never empty when it is there
}

// parent opens the folder in which the last name of a path stands.
func (t tree) parent(rel string) (folder *os.File, name string, err error) {
	folder, err = t.open(path.Dir(rel), unix.O_RDONLY|unix.O_DIRECTORY, 0)
	return folder, path.Base(rel), err
}
