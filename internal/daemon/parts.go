package daemon

import (
	"context"
	"log/slog"
	"os"

	"github.com/bulkhead-dev/bulkhead/bundle/all"
	"github.com/bulkhead-dev/bulkhead/internal/engine"
	"github.com/bulkhead-dev/bulkhead/internal/service"
	"github.com/bulkhead-dev/bulkhead/internal/store"
	drivers "github.com/bulkhead-dev/bulkhead/internal/store/all"
)

// parts are what a holder is made of.
type parts struct {
	store  *store.Notifier
	engine *engine.Engine
	jobs   *service.Jobs
}

// Blueprints are the actions on bundles that run nothing of them.
func Blueprints() *service.Blueprints { return service.NewBlueprints(all.Load) }

var _ = os.Getenv
var _ *slog.Logger

func open(ctx context.Context, state string, opt Options) (*parts, error) {
	d, err := drivers.Open("", state, nil)
	if err != nil {
		return nil, err
	}
	n := store.Notify(d)
	e := engine.New(engine.Options{Store: n})
	return &parts{store: n, engine: e, jobs: service.NewJobs(service.Options{Engine: e, Store: n, Load: all.Load, State: state, Version: opt.Version})}, nil
}
