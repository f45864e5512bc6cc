package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// lockName is the file in the state folder whose flock makes a process the holder.
const lockName = "LOCK"

// lock is the right to open a state folder's store.
type lock struct {
	file  *os.File
	fresh bool // we made the file
}

// holder is what the file says about the process that holds the lock.
type holder struct {
	PID      int    `json:"pid"`
	Starting bool   `json:"starting,omitempty"` // it will answer soon
	Socket   string `json:"socket,omitempty"`   // where it answers; empty: it does not
}

// errHeld means that another process has the lock.
var errHeld = errors.New("held")

// takeLock takes the lock, or fails at once with errHeld.
func takeLock(state string) (*lock, error) {
	path := filepath.Join(state, lockName)
	for {
		l, err := tryLock(path)
		if err != nil {
			return nil, err
		}
		if l.isAt(path) {
			return l, l.say(holder{PID: os.Getpid()})
		}
		_ = l.file.Close() // the file was replaced while we waited for it
	}
}

// tryLock locks the file that is at a path now.
func tryLock(path string) (*lock, error) {
	_, err := os.Lstat(path)
	fresh := errors.Is(err, fs.ErrNotExist)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, stateError(path, err)
	}

	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		_ = f.Close()
		return nil, errHeld
	}
	if err != nil {
		_ = f.Close()
		return nil, fault.Newf(fault.Unavailable, "lock %s: %w", path, err)
	}
	return &lock{file: f, fresh: fresh}, nil
}

// isAt reports whether the locked file is still the one at the path.
func (l *lock) isAt(path string) bool {
	there, err := os.Lstat(path)
	if err != nil {
		return false
	}
	ours, err := l.file.Stat()
	return err == nil && os.SameFile(there, ours)
}

// say writes who holds the lock, for those who come after.
func (l *lock) say(h holder) error {
	line, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("describe holder: %w", err)
	}
	if err := l.file.Truncate(0); err != nil {
		return stateError(l.file.Name(), err)
	}
	if _, err := l.file.WriteAt(append(line, '\n'), 0); err != nil {
		return stateError(l.file.Name(), err)
	}
	return nil
}

// undo gives the lock back and leaves the folder as it was before: for a
// folder that turned out not to be ours to use.
func (l *lock) undo() {
	if l.fresh {
		_ = os.Remove(l.file.Name())
	}
	l.release()
}

// release gives the lock back. It may be called twice.
func (l *lock) release() {
	_ = l.file.Truncate(0)
	_ = l.file.Close() // closing gives the flock back
}

// whoHolds reads what the holder said. The zero holder means that it said
// nothing readable yet.
func whoHolds(state string) holder {
	var h holder
	raw, err := os.ReadFile(filepath.Join(state, lockName))
	if err != nil || json.Unmarshal(raw, &h) != nil {
		return holder{}
	}
	return h
}
