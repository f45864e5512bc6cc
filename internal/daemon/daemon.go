// Package daemon puts the program together: it finds the state folder, takes
// its lock, opens the store, starts the engine with its runner and its
// sandboxes, and serves the API on a socket. It is the only room that knows
// everyone.
package daemon

import (
	"github.com/bulkhead-dev/bulkhead/internal/own"
	"github.com/bulkhead-dev/bulkhead/internal/service"
)

// Sandboxes are the actions on sandboxes. They open no store.
func Sandboxes(getenv func(string) string) (*service.Sandboxes, error) {
	return sandboxes(getenv, own.Options{}), nil
}

// sandboxes are the actions over layers of our choice.
func sandboxes(getenv func(string) string, opt own.Options) *service.Sandboxes {
	state, err := StatePath("", getenv)
	if err != nil {
		state = "" // without a home there is no state folder to protect
	}
	host := own.HostPaths(own.Real(state), getenv)
	return service.NewSandboxes(own.Compartments(host, getenv, opt), getenv("HOME"), host)
}
