package service

import (
	"errors"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// Loader reads and checks the bundle in a folder; see bundle.Load.
type Loader func(dir string) (*bundle.Bundle, error)

// Blueprints is every action on bundles that runs nothing of them.
type Blueprints struct{ load Loader }

// NewBlueprints returns the actions over a loader.
func NewBlueprints(load Loader) *Blueprints { return &Blueprints{load: load} }

// Validation is everything that is wrong with a bundle.
type Validation struct {
	Dialect  string // empty: too broken to tell
	Digest   string // empty: the bundle is not valid
	Problems fault.Problems
	Warnings fault.Problems
}

// Validate lists everything that is wrong with a bundle. An error means that
// there is no bundle to look at.
func (b *Blueprints) Validate(dir string) (Validation, error) {
	loaded, err := b.load(dir)
	var problems fault.Problems
	if errors.As(err, &problems) {
		return Validation{Problems: problems}, nil
	}
	if err != nil {
		return Validation{}, err
	}
	defer loaded.Close()
	return Validation{Dialect: loaded.Dialect, Digest: loaded.Digest, Warnings: loaded.Warnings}, nil
}

// Review is what a person should look at before running a bundle.
type Review struct {
	Name    string
	Digest  string
	Verdict bundle.Verdict // the worst of the lines
	Lines   []bundle.Line
}

// Review lists what a bundle can do. The bundle must be valid.
func (b *Blueprints) Review(dir string) (Review, error) {
	loaded, err := b.load(dir)
	if err != nil {
		return Review{}, err
	}
	defer loaded.Close()

	lines := bundle.Review(loaded)
	return Review{
		Name:    loaded.Graph.Name,
		Digest:  loaded.Digest,
		Verdict: bundle.Worst(lines),
		Lines:   lines,
	}, nil
}
