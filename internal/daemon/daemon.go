// Package daemon puts the program together: it finds the state folder, takes
// its lock, opens the store, starts the engine with its runner and its
// sandboxes, and serves the API on a socket. It is the only room that knows
// everyone.
package daemon

import (
	"os"
	"path/filepath"

	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/native"
	"github.com/bulkhead-dev/bulkhead/internal/service"
	"github.com/bulkhead-dev/bulkhead/internal/workspace"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// systemFolders are what every sandbox may read anyway.
var systemFolders = []string{"/usr", "/bin", "/sbin", "/lib", "/lib64"}

// Sandboxes are the actions on single commands. They open no store.
func Sandboxes(getenv func(string) string) (*service.Sandboxes, error) {
	state, err := StatePath("", getenv)
	if err != nil {
		state = "" // without a home there is no state folder to protect
	}
	host := hostPaths(real(state), getenv)
	return service.NewSandboxes(compartments(host, getenv), getenv("HOME"), host).WithWorkspaces(func() (*workspace.Store, error) {
		if state == "" {
			_, err := StatePath("", getenv)
			return nil, err
		}
		return workspace.Open(filepath.Join(state, workspacesName))
	}), nil
}

// workspacesName is the folder of workspaces in the state folder. It may be
// there before any job was run.
const workspacesName = "workspaces"

// compartments are all layers of this build. The native one keeps grants away
// from our own folders even where links lead to them.
func compartments(host policy.HostPaths, getenv func(string) string) *sandbox.Manager {
	own := ownSockets(getenv)
	if host.State != "" {
		own = append(own, host.State)
	}
	return sandbox.New(native.New(native.Options{State: own}))
}

// hostPaths are the places that no policy may open.
func hostPaths(state string, getenv func(string) string) policy.HostPaths {
	host := policy.HostPaths{State: state, System: systemFolders}
	if dirs := ownSockets(getenv); len(dirs) > 0 {
		host.Runtime = dirs[0]
	}
	if self, err := os.Executable(); err == nil {
		host.Binaries = []string{real(self)}
	}
	return host
}

// ownSockets are the folders that hold or may hold our sockets.
func ownSockets(getenv func(string) string) []string {
	var dirs []string
	for _, dir := range socketFolders(os.Geteuid(), getenv) {
		if _, err := os.Lstat(dir); err == nil {
			dirs = append(dirs, real(dir))
		}
	}
	return dirs
}

// real follows the symbolic links of a path as far as it exists.
func real(path string) string {
	if path == "" {
		return ""
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	if parent := filepath.Dir(path); parent != path {
		return filepath.Join(real(parent), filepath.Base(path))
	}
	return path
}
