package daemon

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/own"
)

// maxSocketPath is what sockaddr_un holds, with its final NUL; see unix(7).
const maxSocketPath = 108

// socketPath makes the folder for the socket of a state folder, and returns
// the socket's path in it. The folder is ours and nobody else may enter it.
func socketPath(state string, uid int, getenv func(string) string) (string, error) {
	var problems []error
	// Any user of the host can take our name in /tmp. Nobody can in the state
	// folder, but its path may be too long.
	folders := append(own.SocketFolders(uid, getenv), filepath.Join(state, "run"))
	for _, dir := range folders {
		path := filepath.Join(dir, key(state)+".sock")
		if len(path) >= maxSocketPath {
			problems = append(problems, fault.Newf(fault.Unavailable, "%s is too long for a socket", path))
			continue
		}
		err := makePrivate(dir)
		if err == nil {
			return path, nil
		}
		problems = append(problems, err)
	}
	return "", fault.Newf(fault.Unavailable, "no folder for the socket: %w", errors.Join(problems...)).
		WithHint("set XDG_RUNTIME_DIR to a short folder of your own")
}

// makePrivate makes a folder that only we may enter, or checks one that is there.
func makePrivate(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := checkPrivate(dir); err != nil {
		return err
	}

	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fault.Newf(fault.Denied, "%s may be entered by others (mode %04o)", dir, info.Mode().Perm())
	}
	return nil
}

// listen opens the socket. It must be called under the lock: a socket file
// that is there is then certainly left over from a holder that died.
func listen(path string) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Newf(fault.Unavailable, "remove stale socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "open socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, fault.Newf(fault.Unavailable, "close socket to others: %w", err)
	}
	return l, nil
}
