//go:build linux

package beneath

import "golang.org/x/sys/unix"

// OpenFile opens the regular file at path, following links beneath the root.
// Anything else that stands there is refused with EISDIR for a folder and
// ENXIO for a pipe, socket or device; none of them makes it wait. O_CREAT and
// O_EXCL mean what they mean to open(2).
func (r *Root) OpenFile(path string, flags int, mode uint32) (int, error) {
	p, err := r.Resolve(path, flags&unix.O_EXCL == 0)
	if err != nil {
		return -1, err
	}
	defer p.Close()
	return p.OpenFile(flags, mode)
}

// OpenFile opens the regular file of that name. See Root.OpenFile.
func (p Parent) OpenFile(flags int, mode uint32) (int, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(p.Dir, p.Name, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil {
		if err := regular(&st); err != nil {
			return -1, err // not even opened: that may do something
		}
	}
	fd, err := unix.Openat(p.Dir, p.Name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, mode)
	if err != nil {
		return -1, err
	}
	err = unix.Fstat(fd, &st) // it may be another by now
	if err == nil {
		err = regular(&st)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func regular(st *unix.Stat_t) error {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return nil
	case unix.S_IFDIR:
		return unix.EISDIR
	case unix.S_IFLNK:
		return unix.ELOOP
	}
	return unix.ENXIO
}

// OpenDir opens the folder at path for listing, following links.
func (r *Root) OpenDir(path string) (int, error) {
	p, err := r.Resolve(path, true)
	if err != nil {
		return -1, err
	}
	defer p.Close()
	return p.OpenDir()
}

// OpenDir opens the folder of that name for listing.
func (p Parent) OpenDir() (int, error) {
	return openat(p.Dir, p.Name, unix.O_RDONLY|unix.O_DIRECTORY)
}

// Stat describes what stands at path. A last link is followed only if asked.
func (r *Root) Stat(path string, follow bool) (unix.Stat_t, Parent, error) {
	var st unix.Stat_t
	p, err := r.Resolve(path, follow)
	if err != nil {
		return st, p, err
	}
	if err := unix.Fstatat(p.Dir, p.Name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		p.Close()
		return st, Parent{}, err
	}
	return st, p, nil
}
