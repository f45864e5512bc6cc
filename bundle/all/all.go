// Package all loads bundles of every dialect that this build knows. It is
// what the command line and the daemon use.
package all

import (
	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/bundle/mirrorneuron"
)

// Load reads and checks the bundle in a folder, as bundle.Load does: our own
// manifests, and those of MirrorNeuron, which are lowered into our graph.
func Load(dir string) (*bundle.Bundle, error) {
	return bundle.Load(dir, mirrorneuron.Dialect)
}
