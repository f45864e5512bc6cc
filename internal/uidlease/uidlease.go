//go:build linux

// Package uidlease hands out user ids that nothing else on the host has.
//
// As root, each sandbox gets an id of its own, so that two sandboxes share no
// files, signals, limits or /proc entries, and none of them is a user of the
// host. A lease is a file with the id's number, held by flock: whatever way
// its holder ends, the kernel frees it.
package uidlease

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// The ids that are leased. systemd's table of ids (UIDS-GIDS) marks everything
// from 1879048192 on, which is First, as unused up to its foreign range; the
// container ranges of systemd-nspawn end right before it.
const (
	First = 0x70000000
	Last  = 0x7000ffff
)

// Lease is the right to an id until Release.
type Lease struct {
	uid  int
	path string
	file *os.File

	once sync.Once
}

// UID is the leased user id, and group id.
func (l *Lease) UID() int { return l.uid }

// Release gives the id back. The caller vouches that no process has it any
// more. It may be called twice.
func (l *Lease) Release() {
	l.once.Do(func() {
		// Removed while it is locked: who opened it meanwhile sees that it is
		// no longer the file of that name.
		_ = os.Remove(l.path)
		_ = l.file.Close()
	})
}

// Acquire leases an id. The folder dir is made if it is missing (its parent
// must be there); it must belong to root and be open to nobody else.
//
// It fails with fault.Unsupported when the caller is not root, or when the
// host's user database or id maps collide with the range; with fault.Denied
// when the folder cannot be trusted; with fault.Exhausted when all 65536 ids
// are leased. It may be called concurrently, also by several processes.
func Acquire(dir string) (*Lease, error) {
	if os.Geteuid() != 0 {
		return nil, fault.New(fault.Unsupported, "user ids are leased by root only")
	}
	if err := checkHost("/"); err != nil {
		return nil, err
	}
	if err := checkDir(dir); err != nil {
		return nil, err
	}
	for range Last - First + 1 {
		uid := next()
		l, err := try(dir, uid)
		if err != nil {
			return nil, err
		}
		if l != nil {
			return l, nil
		}
	}
	return nil, fault.New(fault.Exhausted, "all user ids for sandboxes are leased")
}

// try leases one id; nil when it is taken.
func try(dir string, uid int) (*Lease, error) {
	path := filepath.Join(dir, strconv.Itoa(uid))
	f, abandoned, err := open(path)
	if err != nil {
		return nil, fault.Newf(fault.Internal, "lease user id: %w", err)
	}
	if !hold(f, path) || abandoned && inUse("/proc", uid) {
		f.Close()
		return nil, nil
	}
	return &Lease{uid: uid, path: path, file: f}, nil
}

// open opens or makes the file of an id. A file that is there already belongs
// to a living holder, or was abandoned by one that was killed: then processes
// of that id may have outlived it.
func open(path string) (f *os.File, abandoned bool, err error) {
	const flags = unix.O_RDWR | unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK
	fd, err := unix.Open(path, flags|unix.O_CREAT|unix.O_EXCL, 0o600)
	if errors.Is(err, unix.EEXIST) {
		abandoned = true
		fd, err = unix.Open(path, flags|unix.O_CREAT, 0o600) // it may be released just now
	}
	if err != nil {
		return nil, false, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), abandoned, nil
}

// hold locks the file, and makes sure that it still has its name.
func hold(f *os.File, path string) bool {
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return false
	}
	var held, named unix.Stat_t
	return unix.Fstat(int(f.Fd()), &held) == nil && unix.Lstat(path, &named) == nil &&
		held.Ino == named.Ino && held.Dev == named.Dev
}

// checkDir makes the folder, and refuses one that others could write to.
func checkDir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fault.Newf(fault.Internal, "lease user id: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return fault.Newf(fault.Internal, "lease user id: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Uid != 0 || st.Mode&0o077 != 0 {
		return fault.Newf(fault.Denied, "the folder of user id leases %s must be a folder of root with mode 0700", dir)
	}
	return nil
}

var (
	mu     sync.Mutex // guards below
	cursor = -1       // the last id tried, as an offset into the range; -1: none yet
)

// next is the id to try next: from a random start upward, so that a process
// never leases an id twice before all others have been tried, and several
// processes seldom meet.
func next() int {
	mu.Lock()
	defer mu.Unlock()
	const size = Last - First + 1
	if cursor < 0 {
		var b [2]byte
		_, _ = rand.Read(b[:]) // never fails since Go 1.24
		cursor = int(binary.NativeEndian.Uint16(b[:]))
	}
	cursor = (cursor + 1) % size
	return First + cursor
}
