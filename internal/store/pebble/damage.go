package pebble

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/store"
)

// damage remembers which jobs cannot be read, and which have been read whole
// and found good.
type damage struct {
	mu     sync.Mutex // guards below
	jobs   map[event.JobID]string
	good   map[event.JobID]struct{}
	edges  map[event.JobID]struct{} // jobs at the ends of damaged tables
	seen   map[string]struct{}      // damages of tables that were reported
	survey bool                     // a table is damaged and its jobs are not known yet
}

// These bound the memory for jobs that are known as good and for damages that
// were reported; beyond it they are read and reported anew.
const (
	maxGood = 100_000
	maxSeen = 1000
)

func newDamage() *damage {
	return &damage{
		jobs:  make(map[event.JobID]string),
		good:  make(map[event.JobID]struct{}),
		edges: make(map[event.JobID]struct{}),
		seen:  make(map[string]struct{}),
	}
}

// of returns fault.Corrupt for a quarantined job.
func (d *damage) of(job event.JobID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	why, bad := d.jobs[job]
	if !bad {
		return nil
	}
	return fault.Newf(fault.Corrupt, "job %s is quarantined: %s", job, why).
		WithHint("other jobs go on; restore this one from a copy of the state folder")
}

// quarantine refuses a job from now on and returns the error that says so.
func (d *damage) quarantine(job event.JobID, why error) error {
	d.mu.Lock()
	if _, known := d.jobs[job]; !known {
		d.jobs[job] = why.Error()
	}
	delete(d.good, job)
	d.mu.Unlock()
	return d.of(job)
}

// list is every quarantined job, by id.
func (d *damage) list() []store.Quarantined {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []store.Quarantined
	for job, why := range d.jobs {
		all = append(all, store.Quarantined{Job: job, Reason: why})
	}
	slices.SortFunc(all, func(a, b store.Quarantined) int { return cmp.Compare(a.Job, b.Job) })
	return all
}

func (d *damage) isGood(job event.JobID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, good := d.good[job]
	return good
}

func (d *damage) markGood(job event.JobID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.good) >= maxGood {
		clear(d.good)
	}
	d.good[job] = struct{}{}
}

func (d *damage) forgetGood() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.good)
}

// sawTable notes a damage of a table and reports whether it is new. It is
// called on read paths and must not block.
func (d *damage) sawTable(info pebble.DataCorruptionInfo) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	what := info.Path + info.Details.Error()
	if _, known := d.seen[what]; known {
		return false
	}
	if len(d.seen) >= maxSeen {
		clear(d.seen)
	}
	d.seen[what] = struct{}{}
	d.survey = true
	for _, key := range [][]byte{info.Bounds.Start, info.Bounds.End.Key} {
		if job := jobOf(key); job != "" {
			d.edges[job] = struct{}{}
		}
	}
	return true
}

// takeSurvey reports, once, that the jobs of a damaged table must be found.
// Nothing that was read before counts as good any more.
func (d *damage) takeSurvey() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	due := d.survey
	d.survey = false
	if due {
		clear(d.good)
	}
	return due
}

// atEdges are the jobs at the ends of damaged tables.
func (d *damage) atEdges() []event.JobID {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Keys(d.edges))
}
