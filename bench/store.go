package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/store"
	"github.com/bulkhead-dev/bulkhead/internal/store/all"
)

func init() {
	comparisons = append(comparisons, comparison{
		"store", "one durable transition (an event of 300 bytes and a state of 200), by 1, 16 and 64 writers", benchStore,
	})
}

// burst is how many transitions each writer makes in a round.
const burst = 5

// benchStore compares the embedded store with the least that durability costs
// on the same disk: one write and one fdatasync for all who wait.
func benchStore(w io.Writer, o options) error {
	s, err := all.Open("pebble", filepath.Join(o.dir, "store"), nil)
	if err != nil {
		return err
	}
	defer s.Close()
	bare, err := openBareLog(filepath.Join(o.dir, "bare-log"))
	if err != nil {
		return err
	}
	defer bare.close()

	for _, writers := range []int{1, 16, 64} {
		rounds := max(o.n, 200) / burst
		if err := compareWriters(w, writers, rounds, s, bare); err != nil {
			return err
		}
	}
	info, err := s.Info(context.Background())
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "store: %d syncs in all, %d bytes on the disk\n", info.Syncs, info.Bytes)
	return nil
}

// storeLoad is one way to make a change durable, with what it took.
type storeLoad struct {
	name  string
	step  func(writer int) error
	times []time.Duration
	whole time.Duration
}

// compareWriters runs both loads in turn, round by round.
func compareWriters(w io.Writer, writers, rounds int, s store.Driver, bare *bareLog) error {
	jobs := newStoreJobs(s, writers)
	loads := []*storeLoad{
		{name: fmt.Sprintf("%d writers: write and fdatasync, bare", writers), step: func(int) error { return bare.append() }},
		{name: fmt.Sprintf("%d writers: Apply", writers), step: jobs.step},
	}
	for round := range rounds + 2 {
		for k := range loads {
			l := loads[(round+k)%len(loads)]
			if err := l.round(writers, round >= 2); err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
		}
	}

	rows := make([]series, len(loads))
	for i, l := range loads {
		slices.Sort(l.times)
		rows[i] = series{l.name, l.times}
	}
	table(w, rows)
	for _, l := range loads {
		fmt.Fprintf(w, "%-44s %.0f/s\n", l.name, float64(len(l.times))/l.whole.Seconds())
	}
	fmt.Fprintln(w)
	return nil
}

// round lets every writer make its burst and waits for all. The first rounds
// warm up and do not count.
func (l *storeLoad) round(writers int, counts bool) error {
	times := make([]time.Duration, writers*burst)
	errs := make([]error, writers)
	var wg sync.WaitGroup
	start := time.Now()
	for i := range writers {
		wg.Go(func() {
			for k := range burst {
				began := time.Now()
				if err := l.step(i); err != nil {
					errs[i] = err
					return
				}
				times[i*burst+k] = time.Since(began)
			}
		})
	}
	wg.Wait()
	if counts {
		l.whole += time.Since(start)
		l.times = append(l.times, times...)
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// storeJobs are one job for each writer.
type storeJobs struct {
	s        store.Driver
	names    []event.JobID
	versions []event.Seq
}

func newStoreJobs(s store.Driver, writers int) *storeJobs {
	j := &storeJobs{s: s, versions: make([]event.Seq, writers)}
	for i := range writers {
		j.names = append(j.names, event.JobID(fmt.Sprintf("bench-%d-%d", writers, i)))
	}
	return j
}

var (
	eventBody = json.RawMessage(`"` + strings.Repeat("e", 220) + `"`)
	stateBody = json.RawMessage(`"` + strings.Repeat("s", 198) + `"`)
)

// step moves the writer's job on by one event.
func (j *storeJobs) step(writer int) error {
	v := j.versions[writer]
	t := event.Transition{
		Job: j.names[writer], IfVersion: v, Epoch: 1, State: stateBody,
		Events: []event.Event{{
			Kind: event.AttemptSucceeded, Actor: "engine", Node: "worker", Attempt: 1,
			Time: time.Now(), Message: "0123456789abcdef", Data: &event.Body{Inline: eventBody},
		}},
		Summary: event.Summary{Name: "bench", Status: event.JobStateRunning},
	}
	t.Command[0], t.Command[1], t.Command[2], t.Command[3] = 1, byte(v), byte(v>>8), byte(v>>16)
	_, errs := j.s.Apply(context.Background(), []event.Transition{t})
	j.versions[writer]++
	return errs[0]
}

// bareLog appends records to a file. One goroutine writes; those who wait
// share one write and one sync.
type bareLog struct {
	file *os.File
	in   chan chan error
}

func openBareLog(path string) (*bareLog, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	b := &bareLog{file: f, in: make(chan chan error, 64)}
	go b.loop()
	return b, nil
}

// append returns when a record is on the disk.
func (b *bareLog) append() error {
	done := make(chan error, 1)
	b.in <- done
	return <-done
}

func (b *bareLog) close() error {
	close(b.in)
	return b.file.Close()
}

var bareRecord = make([]byte, 500)

func (b *bareLog) loop() {
	for first := range b.in {
		batch := []chan error{first}
		for len(b.in) > 0 {
			batch = append(batch, <-b.in)
		}
		_, err := b.file.Write(slices.Repeat(bareRecord, len(batch)))
		err = errors.Join(err, unix.Fdatasync(int(b.file.Fd())))
		for _, done := range batch {
			done <- err
		}
	}
}
