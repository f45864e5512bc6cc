// Package all opens any of the store's drivers by name. It is the only place
// that knows them all.
package all

import (
	"log/slog"
	"maps"
	"slices"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/store"
	"github.com/bulkhead-dev/bulkhead/internal/store/mem"
	"github.com/bulkhead-dev/bulkhead/internal/store/pebble"
)

// Default is the driver of a state folder that says nothing else.
const Default = "pebble"

// drivers has one row for each driver.
var drivers = map[string]func(dir string, log *slog.Logger) (store.Driver, error){
	"mem": func(string, *slog.Logger) (store.Driver, error) {
		return mem.Open(), nil
	},
	"pebble": func(dir string, log *slog.Logger) (store.Driver, error) {
		s, err := pebble.Open(dir, pebble.Options{Logger: log})
		if err != nil {
			return nil, err
		}
		return s, nil
	},
}

// Names is every driver's name, sorted.
func Names() []string { return slices.Sorted(maps.Keys(drivers)) }

// Open opens a driver on a state folder. The empty name is Default. The logger
// may be nil: then nobody hears of the background. An unknown name is
// fault.Invalid; other errors are the driver's.
func Open(name, dir string, log *slog.Logger) (store.Driver, error) {
	if name == "" {
		name = Default
	}
	open, ok := drivers[name]
	if !ok {
		err := fault.Newf(fault.Invalid, "no store driver %q", name)
		if near := fault.Nearest(name, Names()); near != "" {
			return nil, err.WithHint("did you mean %s?", near)
		}
		return nil, err
	}
	return open(dir, log)
}
