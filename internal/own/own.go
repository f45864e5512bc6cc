// Package own knows what on this host is Bulkhead's own: the state folder, the
// folders of its sockets, its program. No sandbox is ever granted these.
package own

import (
	"os"
	"path/filepath"
	"strconv"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/live"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/native"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// systemFolders are what every sandbox may read anyway.
var systemFolders = []string{"/usr", "/bin", "/sbin", "/lib", "/lib64"}

// stateVariables name the state folder, first match first. A suffix is added
// to the variable's value.
var stateVariables = []struct{ name, suffix string }{
	{"BULKHEAD_STATE", ""},
	{"XDG_STATE_HOME", "bulkhead"},
	{"HOME", ".local/state/bulkhead"},
}

// StatePath is the absolute path of the state folder: what the user named,
// else $BULKHEAD_STATE, $XDG_STATE_HOME/bulkhead, ~/.local/state/bulkhead.
func StatePath(named string, getenv func(string) string) (string, error) {
	for _, v := range stateVariables {
		if named != "" {
			break
		}
		if value := getenv(v.name); value != "" {
			named = filepath.Join(value, v.suffix)
		}
	}
	if named == "" {
		return "", fault.New(fault.Invalid, "no state folder: HOME is not set").
			WithHint("name one with --state DIR or $BULKHEAD_STATE")
	}

	path, err := filepath.Abs(named)
	if err != nil {
		return "", fault.Newf(fault.Unavailable, "state folder: %w", err)
	}
	return path, nil
}

// SocketFolders are the places for the sockets of a user, best first. The
// parent must exist already.
func SocketFolders(uid int, getenv func(string) string) []string {
	id := strconv.Itoa(uid)
	folders := []string{
		filepath.Join("/run/user", id, "bulkhead"),
		filepath.Join("/tmp", "bulkhead-"+id),
	}
	if uid == 0 { // nobody else can take the name in /run
		folders = append([]string{"/run/bulkhead"}, folders...)
	}
	if dir := getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		folders = append([]string{filepath.Join(dir, "bulkhead")}, folders...)
	}
	return folders
}

// HostPaths are the places that no policy may open. An empty state folder
// means that there is none to protect.
func HostPaths(state string, getenv func(string) string) policy.HostPaths {
	host := policy.HostPaths{State: state, System: systemFolders}
	if dirs := sockets(getenv); len(dirs) > 0 {
		host.Runtime = dirs[0]
	}
	if self, err := os.Executable(); err == nil {
		host.Binaries = []string{Real(self)}
	}
	return host
}

// sockets are the folders that hold or may hold our sockets.
func sockets(getenv func(string) string) []string {
	var dirs []string
	for _, dir := range SocketFolders(os.Geteuid(), getenv) {
		if _, err := os.Lstat(dir); err == nil {
			dirs = append(dirs, Real(dir))
		}
	}
	return dirs
}

// Options are what programs choose about the layers. The zero Options are the
// ones of a program that runs one command.
type Options struct {
	Init  string // the program bulkhead-init; empty: where live.InitProgram finds it
	Stock int    // how many network namespaces the native layer keeps ready
}

// Compartments are all layers of this build. The native one keeps grants away
// from our own folders even where links lead to them.
func Compartments(host policy.HostPaths, getenv func(string) string, opt Options) *sandbox.Manager {
	dirs := sockets(getenv)
	if host.State != "" {
		dirs = append(dirs, host.State)
	}
	if opt.Init == "" {
		opt.Init = live.InitProgram(getenv)
	}
	return sandbox.New(native.New(native.Options{State: dirs, Init: opt.Init, Stock: opt.Stock}))
}

// Real follows the symbolic links of a path as far as it exists.
func Real(path string) string {
	if path == "" {
		return ""
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	if parent := filepath.Dir(path); parent != path {
		return filepath.Join(Real(parent), filepath.Base(path))
	}
	return path
}
