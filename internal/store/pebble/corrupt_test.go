package pebble_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/store"
	"github.com/bulkhead-dev/bulkhead/internal/store/pebble"
	"github.com/bulkhead-dev/bulkhead/internal/store/storetest"
)

// badRecords are ways in which one record of job b can be bad.
var badRecords = []struct {
	name string
	do   func(s *pebble.Store) error
}{
	{"event flipped", func(s *pebble.Store) error { return s.Flip(pebble.EventKey("b", 2)) }},
	{"last event flipped", func(s *pebble.Store) error { return s.Flip(pebble.EventKey("b", 4)) }},
	{"event lost", func(s *pebble.Store) error { return s.Lose(pebble.EventKey("b", 3)) }},
	{"first event lost", func(s *pebble.Store) error { return s.Lose(pebble.EventKey("b", 1)) }},
	{"last event lost", func(s *pebble.Store) error { return s.Lose(pebble.EventKey("b", 4)) }},
	{"state flipped", func(s *pebble.Store) error { return s.Flip(pebble.HeadKey("b")) }},
	{"state lost", func(s *pebble.Store) error { return s.Lose(pebble.HeadKey("b")) }},
	{"command flipped", func(s *pebble.Store) error { return s.Flip(pebble.CommandKey("b", 1)) }},
	{"timer flipped", func(s *pebble.Store) error { return s.Flip(pebble.TimerKey("b", "4")) }},
}

func TestBadRecord_quarantinesItsJobOnly(t *testing.T) {
	for _, row := range badRecords {
		for _, first := range []string{"load", "events", "list", "apply", "verify"} {
			t.Run(row.name+", seen by "+first, func(t *testing.T) {
				disk := onMemory(vfs.NewMem())
				s := open(t, "state", disk)
				for _, job := range []event.JobID{"a", "b", "c"} {
					mustApply(t, s, crashStep(job, 0), crashStep(job, 2))
				}
				if err := row.do(s); err != nil {
					t.Fatal(err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}

				s = open(t, "state", disk)
				touch[first](t, s)
				wantQuarantined(t, s, "b")
				for _, job := range []event.JobID{"a", "c"} {
					mustApply(t, s, crashStep(job, 4))
					if err := wholeJob(t, s, event.Summary{Job: job, Version: 6}); err != nil {
						t.Errorf("%s: %v", job, err)
					}
				}
			})
		}
	}
}

// touch is each way in which a bad job may be met first.
var touch = map[string]func(*testing.T, *pebble.Store){
	"load":   func(t *testing.T, s *pebble.Store) { _, _ = s.Load(t.Context(), "b") },
	"events": func(t *testing.T, s *pebble.Store) { _, _ = s.Events(t.Context(), "b", 0, 1) },
	"list":   func(t *testing.T, s *pebble.Store) { _, _ = s.List(t.Context(), store.Query{}) },
	"apply":  func(_ *testing.T, s *pebble.Store) { _, _ = storetest.Apply(s, crashStep("b", 4)) },
	"verify": func(t *testing.T, s *pebble.Store) { _, _ = s.Verify(t.Context()) },
}

// wantQuarantined checks that exactly these jobs are, by every call.
func wantQuarantined(t *testing.T, s *pebble.Store, want ...event.JobID) {
	t.Helper()
	page, err := s.List(t.Context(), store.Query{})
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	var got []event.JobID
	for _, q := range page.Quarantined {
		got = append(got, q.Job)
		if q.Reason == "" {
			t.Errorf("%s is quarantined without a reason", q.Job)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("quarantined = %v, want %v", page.Quarantined, want)
	}
	for _, sum := range page.Jobs {
		if slices.Contains(want, sum.Job) {
			t.Errorf("%s is listed although it is quarantined", sum.Job)
		}
	}
	for _, job := range want {
		_, loadErr := s.Load(t.Context(), job)
		_, eventsErr := s.Events(t.Context(), job, 0, 10)
		_, applyErr := storetest.Apply(s, storetest.Step(job, 4, 1))
		for name, err := range map[string]error{"load": loadErr, "events": eventsErr, "apply": applyErr} {
			if fault.KindOf(err) != fault.Corrupt || !strings.Contains(err.Error(), string(job)) {
				t.Errorf("%s of %s: error = %v, want corrupt", name, job, err)
			}
		}
	}
	due, err := s.Due(t.Context(), store.DueQuery{At: storetest.Epoch0})
	if err != nil {
		t.Errorf("due: %v", err)
	}
	for _, d := range due {
		if slices.Contains(want, d.Job) {
			t.Errorf("a timer of quarantined %s is due", d.Job)
		}
	}
}

func TestBadIndex_costsNoJob(t *testing.T) {
	s := open(t, "state", onMemory(vfs.NewMem()))
	mustApply(t, s, crashStep("a", 0), crashStep("b", 0))
	sum := event.Summary{Job: "a", Submitted: storetest.Epoch0}
	if err := s.Flip(pebble.ListKey(sum)); err != nil {
		t.Fatal(err)
	}
	wantQuarantined(t, s)
	page, err := s.List(t.Context(), store.Query{Status: []event.JobStatus{event.JobStateRunning}})
	if err != nil || len(page.Jobs) != 2 {
		t.Errorf("list = %+v, %v", page, err)
	}
}

// noise is a state that no compression shortens, a function of the job.
func noise(job event.JobID) []byte {
	rng := rand.NewChaCha8([32]byte([]byte(fmt.Sprintf("%32s", job))))
	raw := make([]byte, 1500)
	_, _ = rng.Read(raw)
	return fmt.Appendf(nil, "%q", fmt.Sprintf("%x", raw))
}

const tableJobs = 120

// tableStore makes a folder whose jobs are all in tables, and returns its
// largest table.
func tableStore(t *testing.T, dir string) string {
	t.Helper()
	s := open(t, dir, small)
	for i := range tableJobs {
		tr := storetest.Step(event.JobID(fmt.Sprintf("job-%03d", i)), 0, 4)
		tr.State = noise(tr.Job)
		tr.Put = []event.Timer{{Key: "k", Due: storetest.Epoch0}}
		mustApply(t, s, tr)
	}
	if err := s.Compact(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(dir, "db", "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("no tables: %v", err)
	}
	slices.SortFunc(tables, func(a, b string) int { return int(fileSize(t, b) - fileSize(t, a)) })
	return tables[0]
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func flipByte(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

// TestFlippedByte_namesEveryJobItTouches flips bytes all over a table file.
// Wherever it is: the store opens, every job is either named as damaged or
// reads as it was written, and other jobs go on.
func TestFlippedByte_namesEveryJobItTouches(t *testing.T) {
	dir := t.TempDir()
	table := tableStore(t, dir)
	size := fileSize(t, table)
	offsets := []int64{0, size - 1, size - 30, size - 60, size - 200, size - 1000}
	for i := range int64(20) {
		offsets = append(offsets, size*i/20+17)
	}
	worst := 0
	for _, at := range offsets {
		flipByte(t, table, at)
		n := readDamaged(t, dir, at)
		flipByte(t, table, at)
		if at < size*9/10 {
			worst = max(worst, n)
		}
	}
	t.Logf("table of %d bytes: a byte of the data costs at most %d of %d jobs", size, worst, tableJobs)
	if worst > 12 {
		t.Errorf("a byte of the data costs %d of %d jobs", worst, tableJobs)
	}
	if n := readDamaged(t, dir, -1); n != 0 {
		t.Errorf("%d jobs are damaged after all was put right", n)
	}
}

// readDamaged returns how many jobs are quarantined.
func readDamaged(t *testing.T, dir string, at int64) int {
	t.Helper()
	s, err := pebble.Open(dir, pebble.Options{Reserve: -1, MinFree: -1, ReadOnly: true})
	if err != nil {
		t.Errorf("byte %d: open: %v", at, err)
		return 0
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Errorf("byte %d: close: %v", at, err)
		}
	}()
	bad, err := s.Verify(t.Context())
	if err != nil {
		t.Errorf("byte %d: verify: %v", at, err)
	}
	named := make(map[event.JobID]bool)
	for _, q := range bad {
		named[q.Job] = true
	}
	for i := range tableJobs {
		job := event.JobID(fmt.Sprintf("job-%03d", i))
		snap, err := s.Load(t.Context(), job)
		switch {
		case named[job] && fault.KindOf(err) != fault.Corrupt:
			t.Errorf("byte %d: %s is quarantined, but load says %v", at, job, err)
		case named[job]:
		case err != nil || string(snap.State) != string(noise(job)):
			t.Errorf("byte %d: %s is not named, but load says %v", at, job, err)
		default:
			events, err := s.Events(t.Context(), job, 0, 10)
			if err != nil || len(events) != 4 {
				t.Errorf("byte %d: %s: %d events, %v", at, job, len(events), err)
			}
		}
	}
	listsTheRest(t, s, at, named)
	return len(bad)
}

// listsTheRest checks that the listing and the timers have exactly the jobs
// that are not named.
func listsTheRest(t *testing.T, s *pebble.Store, at int64, named map[event.JobID]bool) {
	t.Helper()
	page, err := s.List(t.Context(), store.Query{Max: 1000})
	if err != nil || len(page.Quarantined) != len(named) || len(page.Jobs)+len(named) != tableJobs {
		t.Errorf("byte %d: %d listed, %d quarantined, %d named: %v", at, len(page.Jobs), len(page.Quarantined), len(named), err)
	}
	due, err := s.Due(t.Context(), store.DueQuery{At: storetest.Epoch0, Max: 1000})
	if err != nil || len(due)+len(named) != tableJobs {
		t.Errorf("byte %d: %d timers due, %d jobs named: %v", at, len(due), len(named), err)
	}
}
