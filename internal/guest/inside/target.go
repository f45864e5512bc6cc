//go:build linux

package inside

import (
	"encoding/hex"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/guest/beneath"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// target is a file that is being written.
type target struct {
	fd     int
	parent beneath.Parent
	temp   string // the name that it has until it is complete; empty: its own
}

// target opens what a request wants to write.
func (s *session) target(m *wire.Write) (*target, error) {
	p, err := s.root.Resolve(m.Path, !m.New)
	if err != nil {
		return nil, err
	}
	t := &target{parent: p}
	if m.Atomic {
		err = t.openTemp(m)
	} else {
		err = t.open(m)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return t, nil
}

// open opens the file itself.
func (t *target) open(m *wire.Write) error {
	fd, err := t.parent.OpenFile(flags(m), mode(m))
	if err == nil && m.Append {
		// Not O_APPEND, with which splice does not work.
		if _, err = unix.Seek(fd, 0, 2); err != nil {
			_ = unix.Close(fd)
		}
	}
	t.fd = fd
	return err
}

func flags(m *wire.Write) int {
	f := unix.O_WRONLY | unix.O_CREAT
	switch {
	case m.New:
		f |= unix.O_EXCL
	case !m.Append:
		f |= unix.O_TRUNC
	}
	return f
}

// mode is the permissions of a new file.
func mode(m *wire.Write) uint32 {
	if m.Mode == 0 {
		return 0o644
	}
	return m.Mode & 0o777
}

// openTemp makes a file next to the one that it will replace.
func (t *target) openTemp(m *wire.Write) error {
	var st unix.Stat_t
	err := unix.Fstatat(t.parent.Dir, t.parent.Name, &st, unix.AT_SYMLINK_NOFOLLOW)
	perm := mode(m)
	switch {
	case err == nil && m.New:
		return unix.EEXIST
	case err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG:
		return unix.ENXIO
	case err == nil && m.Mode == 0:
		perm = st.Mode & 0o777
	case err != nil && err != unix.ENOENT:
		return err
	}
	if t.temp, err = tempName(); err != nil {
		return err
	}
	t.fd, err = unix.Openat(t.parent.Dir, t.temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	if err := unix.Fchmod(t.fd, perm); err != nil {
		t.discard()
		return err
	}
	return nil
}

// tempName is one that nobody else has taken.
func tempName() (string, error) {
	var b [8]byte
	if _, err := unix.Getrandom(b[:], 0); err != nil {
		return "", err
	}
	return ".bulkhead-" + hex.EncodeToString(b[:]), nil
}

// commit makes the file durable, if asked, and gives it its name.
func (t *target) commit(m *wire.Write) error {
	if m.Sync {
		if err := unix.Fsync(t.fd); err != nil {
			return err
		}
	}
	if t.temp == "" {
		return nil
	}
	var how uint
	if m.New {
		how = unix.RENAME_NOREPLACE
	}
	if err := unix.Renameat2(t.parent.Dir, t.temp, t.parent.Dir, t.parent.Name, how); err != nil {
		return err
	}
	t.temp = ""
	if !m.Sync {
		return nil
	}
	return syncDir(t.parent)
}

// syncDir makes a rename durable.
func syncDir(p beneath.Parent) error {
	fd, err := unix.Openat(p.Dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fsync(fd)
}

// discard closes the file; one that is not complete is removed.
func (t *target) discard() {
	_ = unix.Close(t.fd)
	if t.temp != "" {
		_ = unix.Unlinkat(t.parent.Dir, t.temp, 0)
	}
}

// close lets go of the file and its folder.
func (t *target) close() {
	t.discard()
	t.parent.Close()
}
