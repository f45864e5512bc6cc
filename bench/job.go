package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/engine"
	"github.com/bulkhead-dev/bulkhead/internal/store/pebble"
)

// benchJob compares a durable job of one node with what the disk can do, then
// counts jobs per second.
func benchJob(w io.Writer, o options) error {
	bare, err := appendAndSync(o.dir)
	if err != nil {
		return err
	}
	return withJobs(filepath.Join(o.dir, "state"), func(j *jobs) error {
		rows, err := interleave(max(o.n, 200), []variant{
			{"write 256 bytes and sync, bare", bare},
			{"job of one node, one client", j.one},
		})
		if err != nil {
			return err
		}
		table(w, rows)

		fmt.Fprintln(w)
		for _, clients := range []int{1, 16} {
			n, took, err := j.many(clients, 3*time.Second)
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "%2d clients: %6.0f jobs/s (%d jobs in %.1f s)\n", clients, float64(n)/took.Seconds(), n, took.Seconds())
		}
		return nil
	})
}

// appendAndSync writes a small record at the end of a file and waits until it
// is on the disk: the least that any durable step costs there.
func appendAndSync(dir string) (func() error, error) {
	f, err := os.OpenFile(filepath.Join(dir, "bare"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	record := make([]byte, 256)
	return func() error {
		if _, err := f.Write(record); err != nil {
			return err
		}
		return unix.Fdatasync(int(f.Fd()))
	}, nil
}

// jobs runs jobs of one node.
type jobs struct {
	engine *engine.Engine
	last   atomic.Int64
}

// nothing is a runner whose attempts are done at once.
type nothing struct{}

var _ engine.Runner = nothing{}

// Run answers with an empty object.
func (nothing) Run(context.Context, engine.Work) event.Outcome {
	return event.Outcome{Status: event.Succeeded, Output: event.Body{Inline: []byte(`{}`)}}
}

// graph is one executor that starts the job and ends it.
var graph = &bundle.Graph{
	ID: "bench", Name: "bench", Dialect: bundle.Native, Concurrency: 4,
	Nodes:       []bundle.Node{{ID: "only", Kind: bundle.Executor, Executor: &bundle.ExecutorConfig{Runner: "native", Command: []string{"true"}}}},
	Entrypoints: []event.NodeID{"only"},
}

// graphDigest is a name for the graph; the store does not compute it.
var graphDigest = "sha256:" + strings.Repeat("0", 64)

// withJobs runs an engine on a new embedded store while f runs.
func withJobs(dir string, f func(*jobs) error) error {
	s, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		return err
	}
	e := engine.New(engine.Options{Store: s, Runner: nothing{}, MaxConcurrent: 64})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()

	err = f(&jobs{engine: e})
	stop()
	return errors.Join(err, <-ended, s.Close())
}

// one submits a job and waits for its end.
func (j *jobs) one() error {
	id := event.JobID(fmt.Sprintf("bench-%d", j.last.Add(1)))
	if _, err := j.engine.Submit(context.Background(), engine.Submission{JobID: id, Graph: graph, GraphDigest: graphDigest}); err != nil {
		return err
	}
	end, err := j.engine.Wait(context.Background(), id)
	if err == nil && end.Status != event.JobStateCompleted {
		err = fmt.Errorf("job %s: %s: %s", id, end.Status, end.Reason)
	}
	return err
}

// many lets clients submit jobs, each its next when the last has ended, and
// returns how many ended in which time.
func (j *jobs) many(clients int, span time.Duration) (int64, time.Duration, error) {
	var (
		done  atomic.Int64
		wg    sync.WaitGroup
		errs  = make([]error, clients)
		start = time.Now()
	)
	for c := range clients {
		wg.Go(func() {
			for errs[c] == nil && time.Since(start) < span {
				if errs[c] = j.one(); errs[c] == nil {
					done.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return done.Load(), time.Since(start), errors.Join(errs...)
}
