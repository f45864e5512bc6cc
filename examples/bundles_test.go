// Package examples_test checks that every example is a bundle that loads.
package examples_test

import (
	"os"
	"testing"

	"github.com/bulkhead-dev/bulkhead/bundle"
)

func TestExamples_load(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		t.Run(e.Name(), func(t *testing.T) {
			b, err := bundle.Load(e.Name())
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range b.Warnings {
				t.Errorf("warning: %s", w)
			}
			if _, err := b.Graph.Expand(nil); err != nil {
				t.Errorf("with its own defaults: %v", err)
			}
		})
	}
}
