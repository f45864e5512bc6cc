package pebble_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/store"
	"github.com/bulkhead-dev/bulkhead/internal/store/pebble"
	"github.com/bulkhead-dev/bulkhead/internal/store/storetest"
)

// TestPebble_conformsOnStrictMemory runs the suite on a file system that
// keeps only what was synced.
func TestPebble_conformsOnStrictMemory(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Driver {
		return open(t, "state", onMemory(vfs.NewCrashableMem()))
	})
}

func onMemory(files vfs.FS) pebble.Options {
	return pebble.Options{Reserve: -1, MinFree: -1, FS: files}
}

// TestApply_survivesEveryCrash takes crash images of the disk between the
// operations on it while writers work, opens each one, and compares it with
// what had been acknowledged before. Then it goes on from one of the images.
// BULKHEAD_CRASH_SEEDS is how many times, 3 when it is not set.
func TestApply_survivesEveryCrash(t *testing.T) {
	seeds, points := 3, 0
	if text := os.Getenv("BULKHEAD_CRASH_SEEDS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		seeds = n
	}
	first := uint64(time.Now().UnixNano())
	t.Logf("seeds %d to %d", first, first+uint64(seeds)-1)
	for i := range seeds {
		points += crashSeed(t, first+uint64(i))
	}
	t.Logf("%d crash points", points)
}

func crashSeed(t *testing.T, seed uint64) (points int) {
	rng := rand.New(rand.NewPCG(seed, 0))
	disk := vfs.NewCrashableMem()
	known := newAcks()
	for range 4 {
		images := crashWhileWriting(t, rng, disk, known)
		points += len(images)
		for _, im := range images {
			known = im.verify(t, seed)
		}
		if len(images) > 0 {
			disk = images[len(images)-1].disk
		}
		if t.Failed() {
			t.Fatalf("failed with seed %d", seed)
		}
	}
	return points
}

// acks is what has been acknowledged.
type acks struct {
	mu    sync.Mutex // guards below
	jobs  map[event.JobID]event.Seq
	blobs map[string]event.BlobRef
}

func newAcks() *acks {
	return &acks{jobs: make(map[event.JobID]event.Seq), blobs: make(map[string]event.BlobRef)}
}

func (a *acks) clone() *acks {
	a.mu.Lock()
	defer a.mu.Unlock()
	return &acks{jobs: maps.Clone(a.jobs), blobs: maps.Clone(a.blobs)}
}

func (a *acks) job(id event.JobID) event.Seq {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.jobs[id]
}

func (a *acks) ack(id event.JobID, version event.Seq) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.jobs[id] = version
}

// image is a disk after a crash, and what had been acknowledged before it.
type image struct {
	disk *vfs.MemFS
	acks *acks
}

// camera takes images between operations on a disk.
type camera struct {
	vfs.FS
	mu     sync.Mutex // guards below
	rng    *rand.Rand
	disk   *vfs.MemFS
	acks   *acks
	images []image
}

func (c *camera) snap() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.images) >= 8 || c.rng.IntN(80) != 0 {
		return
	}
	acked := c.acks.clone() // first what is acknowledged, then the image
	cfg := vfs.CrashCloneCfg{
		UnsyncedDataPercent: []int{0, 0, 30, 70, 100}[c.rng.IntN(5)],
		RNG:                 c.rng,
	}
	c.images = append(c.images, image{c.disk.CrashClone(cfg), acked})
}

func (c *camera) Create(name string, cat vfs.DiskWriteCategory) (vfs.File, error) {
	c.snap()
	f, err := c.FS.Create(name, cat)
	return &filmed{f, c}, err
}

func (c *camera) ReuseForWrite(oldname, newname string, cat vfs.DiskWriteCategory) (vfs.File, error) {
	c.snap()
	f, err := c.FS.ReuseForWrite(oldname, newname, cat)
	return &filmed{f, c}, err
}

func (c *camera) OpenDir(name string) (vfs.File, error) {
	f, err := c.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &filmed{f, c}, nil
}

func (c *camera) Rename(oldname, newname string) error {
	c.snap()
	defer c.snap()
	return c.FS.Rename(oldname, newname)
}

func (c *camera) Remove(name string) error {
	c.snap()
	return c.FS.Remove(name)
}

type filmed struct {
	vfs.File
	c *camera
}

func (f *filmed) Write(p []byte) (int, error) { defer f.c.snap(); return f.File.Write(p) }
func (f *filmed) Sync() error                 { f.c.snap(); defer f.c.snap(); return f.File.Sync() }
func (f *filmed) SyncData() error             { f.c.snap(); defer f.c.snap(); return f.File.SyncData() }

// crashWhileWriting runs writers on a disk and returns images of it.
func crashWhileWriting(t *testing.T, rng *rand.Rand, disk *vfs.MemFS, known *acks) []image {
	t.Helper()
	cam := &camera{FS: disk, rng: rng, disk: disk, acks: known}
	s, err := pebble.Open("state", onMemory(cam))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() { writeSome(t, s, known, w) })
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	return cam.images
}

// writeSome takes turns between two jobs of its own, and keeps blobs.
func writeSome(t *testing.T, s *pebble.Store, known *acks, w int) {
	for i := range 40 {
		job := event.JobID(fmt.Sprintf("job-%d-%d", w, i%2))
		v := known.job(job)
		if _, err := storetest.Apply(s, crashStep(job, v)); err != nil {
			t.Errorf("apply to %s after %d: %v", job, v, err)
			return
		}
		known.ack(job, v+2)
		if i%10 == w {
			putCrashBlob(t, s, known, fmt.Sprintf("blob %d %d %d", w, i, v))
		}
	}
}

func putCrashBlob(t *testing.T, s *pebble.Store, known *acks, text string) {
	ref, err := s.PutBlob(t.Context(), "text/plain", strings.NewReader(text))
	if err != nil {
		t.Errorf("put blob: %v", err)
		return
	}
	known.mu.Lock()
	defer known.mu.Unlock()
	known.blobs[text] = ref
}

// crashStep moves a job on by two events. Its state, timer and permit are
// functions of the version, so that a half-applied transition shows.
func crashStep(job event.JobID, v event.Seq) event.Transition {
	tr := storetest.Step(job, v, 2)
	tr.State = crashState(v + 2)
	tr.Drop = []string{fmt.Sprint(v)}
	tr.Put = []event.Timer{{Key: fmt.Sprint(v + 2), Due: storetest.Epoch0}}
	tr.Release = []event.Permit{{Key: string(job), Holder: fmt.Sprint(v)}}
	tr.Take = []event.Permit{{Key: string(job), Holder: fmt.Sprint(v + 2)}}
	return tr
}

// crashState is large enough that tables are written during the test.
func crashState(v event.Seq) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"version":%d,"pad":%q}`, v, strings.Repeat("x", 8000)))
}

// verify opens the image and returns what is on it, for the next round.
func (im image) verify(t *testing.T, seed uint64) *acks {
	t.Helper()
	s, err := pebble.Open("state", onMemory(im.disk))
	if err != nil {
		t.Errorf("seed %d: open after crash: %v", seed, err)
		return im.acks
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	found := newAcks()
	found.blobs = im.acks.blobs
	for job, acked := range im.acks.jobs {
		if snap, err := s.Load(t.Context(), job); err != nil || snap.Version < acked {
			t.Errorf("seed %d: %s was acknowledged at %d and is at %d: %v", seed, job, acked, snap.Version, err)
		}
	}
	page, err := s.List(t.Context(), store.Query{Max: 1000})
	if err != nil || len(page.Quarantined) > 0 {
		t.Errorf("seed %d: list: %v, quarantined %v", seed, err, page.Quarantined)
	}
	for _, sum := range page.Jobs {
		if err := wholeJob(t, s, sum); err != nil {
			t.Errorf("seed %d: %s: %v", seed, sum.Job, err)
		}
		found.jobs[sum.Job] = sum.Version
	}
	for text, ref := range im.acks.blobs {
		if got, err := readBlob(t, s, ref); err != nil || got != text {
			t.Errorf("seed %d: blob %q reads %q: %v", seed, text, got, err)
		}
	}
	return found
}

// wholeJob checks that everything of a job belongs to the same version.
func wholeJob(t *testing.T, s *pebble.Store, sum event.Summary) error {
	snap, err := s.Load(t.Context(), sum.Job)
	if err != nil {
		return err
	}
	events, err := s.Events(t.Context(), sum.Job, 0, 1<<20)
	if err != nil {
		return err
	}
	due, err := s.Due(t.Context(), store.DueQuery{At: storetest.Epoch0, Max: 1000})
	if err != nil {
		return err
	}
	permits, err := s.Permits(t.Context(), string(sum.Job))
	if err != nil {
		return err
	}
	v := snap.Version
	return errors.Join(
		differ("summary", sum.Version, v),
		differ("state", string(snap.State), string(crashState(v))),
		differ("events", events, storetest.EventsUpTo(sum.Job, v)),
		differ("timers", timersOf(sum.Job, due), []string{fmt.Sprint(v)}),
		differ("permits", permits, []event.Permit{{Key: string(sum.Job), Holder: fmt.Sprint(v)}}),
	)
}

func differ[T any](what string, got, want T) error {
	if d := cmp.Diff(want, got); d != "" {
		return fmt.Errorf("%s: %s", what, d)
	}
	return nil
}

func timersOf(job event.JobID, due []store.DueTimer) []string {
	var keys []string
	for _, d := range due {
		if d.Job == job {
			keys = append(keys, d.Timer.Key)
		}
	}
	return keys
}
