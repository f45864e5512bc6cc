package pebble_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/store/pebble"
	"github.com/bulkhead-dev/bulkhead/internal/store/storetest"
)

// BenchmarkApply is what a transition costs beyond the disk: 64 writers on a
// file system in memory.
func BenchmarkApply(b *testing.B) {
	s, err := pebble.Open("state", onMemory(vfs.NewMem()))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var n atomic.Int32
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		job := event.JobID(fmt.Sprint("j", n.Add(1)))
		for v := event.Seq(0); pb.Next(); v++ {
			if _, err := storetest.Apply(s, storetest.Step(job, v, 1)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkLoad is reading a job's state that is in memory.
func BenchmarkLoad(b *testing.B) {
	s, err := pebble.Open("state", onMemory(vfs.NewMem()))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if _, err := storetest.Apply(s, storetest.Step("a", 0, 10)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Load(b.Context(), "a"); err != nil {
			b.Fatal(err)
		}
	}
}
