// Package storetest is the conformance suite of the store's drivers: what
// every one of them must do, in cases that name it.
package storetest

import (
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/store"
)

// Open returns a new, empty driver. Run closes it.
type Open func(t *testing.T) store.Driver

// testCase is one thing that a driver must do.
type testCase struct {
	name string
	run  func(t *testing.T, s store.Driver)
}

// Run runs every case against a driver of its own.
func Run(t *testing.T, open Open) {
	for _, list := range [][]testCase{
		applyCases, casCases, commandCases, readCases, listCases,
		timerCases, permitCases, graphCases, blobCases, raceCases, closeCases,
	} {
		for _, c := range list {
			t.Run(c.name, func(t *testing.T) {
				s := open(t)
				t.Cleanup(func() {
					if err := s.Close(); err != nil {
						t.Errorf("Close: %v", err)
					}
				})
				c.run(t, s)
			})
		}
	}
}

// Count is the number of cases in the suite.
func Count() int {
	n := 0
	for _, list := range [][]testCase{
		applyCases, casCases, commandCases, readCases, listCases,
		timerCases, permitCases, graphCases, blobCases, raceCases, closeCases,
	} {
		n += len(list)
	}
	return n
}
