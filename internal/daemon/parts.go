package daemon

import (
	"github.com/bulkhead-dev/bulkhead/bundle/all"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/engine"
	"github.com/bulkhead-dev/bulkhead/internal/grant"
	"github.com/bulkhead-dev/bulkhead/internal/own"
	"github.com/bulkhead-dev/bulkhead/internal/runner/command"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/service"
	"github.com/bulkhead-dev/bulkhead/internal/store"
	drivers "github.com/bulkhead-dev/bulkhead/internal/store/all"
)

// Blueprints are the actions on bundles that run nothing of them.
func Blueprints() *service.Blueprints { return service.NewBlueprints(all.Load) }

// parts are what a holder is made of.
type parts struct {
	store  *store.Notifier
	engine *engine.Engine
	jobs   *service.Jobs
	layers *sandbox.Manager
}

// assemble opens the store of a state folder and puts the parts over it
// together. Nothing runs yet.
func assemble(state string, opt Options) (*parts, error) {
	driver, err := drivers.Open(drivers.Default, state, nil)
	if err != nil {
		return nil, err
	}
	log := store.Notify(driver)

	secrets := new(grant.Secrets)
	host := own.HostPaths(state, opt.Getenv)
	layers := own.Compartments(host, opt.Getenv, own.Options{})
	worker := command.New(command.Options{
		State:   state,
		Sandbox: layers,
		Blobs:   log,
		Load:    all.Load,
		Secrets: secrets,
	})
	loop := engine.New(engine.Options{Store: log, Runner: worker})

	return &parts{store: log, engine: loop, layers: layers, jobs: service.NewJobs(service.Options{
		Engine:  loop,
		Store:   log,
		Load:    all.Load,
		Secrets: secrets,
		Host:    host,
		Attempt: attemptFolder,
		State:   state,
		Version: opt.Version,
	})}, nil
}

// attemptFolder is where the runner put the attempt that an event began.
func attemptFolder(started event.Event) string {
	return command.Folder(started.Job, started.Node, started.Attempt, started.Epoch)
}
