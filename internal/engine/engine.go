package engine

import (
	"context"
	cryptorand "crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// DefaultMaxConcurrent is how many attempts run at once over all jobs when
// the options do not say.
const DefaultMaxConcurrent = 16

// Options are what an engine is made of.
type Options struct {
	Store  Store
	Runner Runner

	Clock         func() time.Time // nil: time.Now
	Rand          rand.Source      // nil: seeded by the system; used by one goroutine at a time
	MaxConcurrent int              // attempts at once over all jobs; 0: DefaultMaxConcurrent
	Log           *slog.Logger     // nil: silent
}

// Engine runs the jobs that were submitted to it or resumed in it. It never
// starts an old job by itself. It is safe for concurrent use.
type Engine struct {
	opt   Options
	owner string // this engine's name in the states of its jobs
	slots slots
	dice  dice

	mu      sync.Mutex // guards below
	jobs    map[event.JobID]*actor
	graphs  map[string]bool // digests that are in the store for certain
	run     context.Context // of Run; nil before
	stopped bool
	waiting []*actor // opened before Run
	quiet   sync.WaitGroup
}

// New returns an engine. Nothing runs before Run.
func New(opt Options) *Engine {
	if opt.Clock == nil {
		opt.Clock = time.Now
	}
	if opt.MaxConcurrent <= 0 {
		opt.MaxConcurrent = DefaultMaxConcurrent
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Rand == nil {
		var seed [32]byte
		cryptorand.Read(seed[:])
		opt.Rand = rand.NewChaCha8(seed)
	}
	e := &Engine{
		opt: opt, jobs: map[event.JobID]*actor{}, graphs: map[string]bool{},
		slots: slots{max: opt.MaxConcurrent}, dice: dice{src: opt.Rand},
	}
	id := e.dice.command()
	e.owner = hex.EncodeToString(id[:])
	return e
}

// Run works on jobs until ctx ends, then ends the running attempts, records
// them as released, and returns when all is quiet. The jobs stay resumable.
// It may be called once.
func (e *Engine) Run(ctx context.Context) error {
	e.mu.Lock()
	if e.run != nil {
		e.mu.Unlock()
		return fault.New(fault.Internal, "the engine was run twice")
	}
	e.run = ctx
	for _, a := range e.waiting {
		e.launch(a)
	}
	e.waiting = nil
	e.mu.Unlock()

	<-ctx.Done()
	e.mu.Lock()
	e.stopped = true
	e.mu.Unlock()
	e.quiet.Wait()
	return nil
}

// start puts an opened job to work, now or when Run begins.
func (e *Engine) start(a *actor) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.stopped: // on record, and resumable like every other job
		e.slots.settle(a.reserved, 0)
		close(a.gone)
		delete(e.jobs, a.job)
	case e.run == nil:
		e.waiting = append(e.waiting, a)
	default:
		e.launch(a)
	}
}

// launch starts an actor; the caller holds mu.
func (e *Engine) launch(a *actor) {
	ctx := e.run
	e.quiet.Go(func() {
		a.work(ctx)
		e.forget(a)
	})
}

// forget lets go of a job.
func (e *Engine) forget(a *actor) {
	e.slots.leave(a)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.jobs[a.job] == a {
		delete(e.jobs, a.job)
	}
}

// errStopped is the answer of an engine that has stopped.
func errStopped() error {
	return fault.New(fault.Unavailable, "the engine is stopping")
}

// dice is a random source for many goroutines.
type dice struct {
	mu  sync.Mutex // guards below
	src rand.Source
}

// command returns a fresh command id.
func (d *dice) command() event.CommandID {
	d.mu.Lock()
	defer d.mu.Unlock()
	var id event.CommandID
	binary.LittleEndian.PutUint64(id[:8], d.src.Uint64())
	binary.LittleEndian.PutUint64(id[8:], d.src.Uint64())
	return id
}

// float returns a number from 0 to 1.
func (d *dice) float() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return float64(d.src.Uint64()>>11) / (1 << 53)
}
