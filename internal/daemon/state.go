package daemon

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/own"
)

// StatePath is the absolute path of the state folder: what the user named,
// else where the environment puts it; see own.StatePath.
func StatePath(named string, getenv func(string) string) (string, error) {
	return own.StatePath(named, getenv)
}

// openState returns the real path of the state folder. Who runs jobs makes it
// when it is missing; for others that is ErrNoState, and for who joins,
// ErrNoHolder. A folder that is not ours is refused and left untouched.
func openState(path string, mode Mode) (string, error) {
	_, err := os.Lstat(path)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case missing && mode == Join:
		return "", ErrNoHolder
	case missing && mode != Serve:
		return "", fault.Newf(fault.NotFound, "%w at %s", ErrNoState, path).
			WithHint("nothing has been run there; name another: --state DIR")
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", stateError(path, err)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", stateError(path, err)
	}

	if err := checkPrivate(real); err != nil {
		return "", fault.Newf(fault.Denied, "state folder: %w", err).
			WithHint("use a folder of your own: --state DIR")
	}
	if err := unix.Access(real, unix.R_OK|unix.W_OK|unix.X_OK); err != nil {
		return "", stateError(real, err)
	}
	return real, checkContents(real)
}

// checkContents refuses a folder with other people's files in it.
func checkContents(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return stateError(dir, err)
	}

	known := len(entries) == 0
	for _, e := range entries {
		known = known || e.Name() == "VERSION" || e.Name() == lockName
	}
	if !known {
		return fault.Newf(fault.Invalid, "%s is not empty and is not a state folder of Bulkhead", dir).
			WithHint("use an empty or a new folder: --state DIR")
	}
	return nil
}

// checkPrivate wants a real folder that we own and that only we may change.
func checkPrivate(path string) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return &fs.PathError{Op: "lstat", Path: path, Err: err}
	}

	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return fault.Newf(fault.Denied, "%s is not a folder", path)
	case st.Mode&0o022 != 0:
		return fault.Newf(fault.Denied, "%s may be changed by others (mode %04o)", path, st.Mode&0o7777)
	}
	return checkOwner(path, st.Uid)
}

// checkOwner wants what it looks at to be ours.
func checkOwner(path string, uid uint32) error {
	if uid != uint32(os.Geteuid()) {
		return fault.Newf(fault.Denied, "%s belongs to uid %d, not to you (uid %d)", path, uid, os.Geteuid())
	}
	return nil
}

// stateError says what is wrong with the state folder and what to do.
func stateError(path string, err error) error {
	var perr *fs.PathError
	if errors.As(err, &perr) {
		path, err = perr.Path, perr.Err
	}

	kinds := []struct {
		cause error
		kind  fault.Kind
		hint  string
	}{
		{unix.ENOTDIR, fault.Invalid, "a part of the path is a file; name a folder: --state DIR"},
		{unix.EEXIST, fault.Invalid, "the path is a file; name a folder: --state DIR"},
		{unix.EACCES, fault.Denied, "check who owns it, or name another folder: --state DIR"},
		{unix.EPERM, fault.Denied, "check who owns it, or name another folder: --state DIR"},
		{unix.EROFS, fault.Unavailable, "the file system is read-only; name another folder: --state DIR"},
		{unix.ENOSPC, fault.Exhausted, "the disk is full; free some space"},
	}
	for _, k := range kinds {
		if errors.Is(err, k.cause) {
			return fault.Newf(k.kind, "state folder %s: %w", path, err).WithHint("%s", k.hint)
		}
	}
	return fault.Newf(fault.Unavailable, "state folder %s: %w", path, err)
}

// key is a short name for a state folder, for its socket: socket paths hold
// 108 bytes, and a state path may be longer.
func key(state string) string {
	sum := sha256.Sum256([]byte(state))
	return hex.EncodeToString(sum[:8])
}
