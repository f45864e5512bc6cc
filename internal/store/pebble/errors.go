package pebble

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// explain turns an error of the database or of the operating system into one
// of a known kind that says what to do. Faults pass unchanged.
func explain(dir string, err error) error {
	var f *fault.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &f):
		return err
	case isFull(err):
		return fault.Newf(fault.Exhausted, "disk full: state folder %s: %w", dir, err).
			WithHint("free some space and start again; what was acknowledged is safe")
	case errors.Is(err, fs.ErrPermission):
		return fault.Newf(fault.Denied, "state folder %s: %w%s", dir, err, owner(dir)).
			WithHint("run as the user that it belongs to, or name another folder with --state or BULKHEAD_STATE")
	case errors.Is(err, unix.EROFS):
		return fault.Newf(fault.Denied, "state folder %s: %w", dir, err).
			WithHint("name a folder that can be written with --state or BULKHEAD_STATE")
	case errors.Is(err, unix.ENOTDIR):
		return fault.Newf(fault.Invalid, "state folder %s: not a folder: %w", dir, err)
	case isLocked(err):
		return fault.Newf(fault.Unavailable, "state folder %s is in use by another process: %w", dir, err).
			WithHint("stop it, or talk to it instead")
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, pebble.ErrDBDoesNotExist):
		return fault.Newf(fault.Corrupt, "state folder %s: a file of the database is missing: %w", dir, err).
			WithHint("nothing was changed; restore a copy of the folder")
	case pebble.IsCorruptionError(err):
		return fault.Newf(fault.Corrupt, "state folder %s: the database is damaged: %w", dir, err).
			WithHint("nothing was changed; restore a copy of the folder")
	}
	return fault.Newf(fault.Unavailable, "state folder %s: %w", dir, err)
}

// isLocked: EAGAIN or EACCES by fcntl(2), or the text for one process.
func isLocked(err error) bool {
	return errors.Is(err, unix.EAGAIN) || strings.Contains(err.Error(), "lock held by current process")
}

// owner says whose a folder is, when that can be found out.
func owner(dir string) string {
	info, err := os.Stat(dir)
	if err != nil {
		return ""
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("; it belongs to uid %d and has mode %v, this process has uid %d", st.Uid, info.Mode().Perm(), os.Geteuid())
}

// corrupt turns a read error of the database into fault.Corrupt where it is that.
func corrupt(err error) error {
	if err != nil && pebble.IsCorruptionError(err) {
		return fault.Newf(fault.Corrupt, "table is damaged: %w", err)
	}
	return err
}
