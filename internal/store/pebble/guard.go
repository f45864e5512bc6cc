package pebble

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// guard stands between the database and the disk. Pebble answers a failed
// write of its log or manifest with Fatalf or a panic, and goes on in an
// undefined state when neither ends the process. So it never hears of one: the
// guard frees the reserve and tries again, and when that fails too, it marks
// the store as failed and parks the writing goroutine for good, with every
// later one. What is on the disk then is what a power cut would leave, reads
// go on from it, and Apply answers with the reason.
type guard struct {
	space *space
	log   *slog.Logger
	syncs atomic.Int64
	armed atomic.Bool   // not while opening: then errors pass through
	down  chan struct{} // closed at the first failure

	gate   sync.RWMutex // held for reading around each write to the disk; guards below
	fenced bool

	mu    sync.Mutex // guards below
	cause error
}

// mergePause is how long a failed merge of tables waits before the database
// hears of it: it tries again at once, forever.
const mergePause = time.Second

func newGuard(s *space, log *slog.Logger) *guard {
	return &guard{space: s, log: log, down: make(chan struct{})}
}

func (g *guard) arm() { g.armed.Store(true) }

// fail marks the store as failed, once.
func (g *guard) fail(cause error) {
	g.mu.Lock()
	if g.cause == nil {
		g.cause = cause
		close(g.down)
	}
	g.mu.Unlock()
	g.log.Error("store failed: it is read-only until it is reopened", "err", cause)
	g.fence()
}

// fence keeps every later write off the disk. When it returns, none is in
// flight. A writer must not hold the gate when it calls.
func (g *guard) fence() {
	g.gate.Lock()
	defer g.gate.Unlock()
	g.fenced = true
}

// failure is why the store failed; nil when it has not.
func (g *guard) failure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cause
}

// wait runs something that writes and may be parked on the way.
func (g *guard) wait(run func() error) error {
	done := make(chan error, 1)
	go func() { done <- run() }()
	select {
	case err := <-done:
		return err
	case <-g.down:
		return g.failure()
	}
}

// A target is a file or folder that is written to.
type target struct {
	name  string
	spare bool // a merge of tables: the database drops it and goes on
}

// write runs a write. Retriable ones may be run again when they failed.
func (g *guard) write(to target, retriable bool, op func() error) error {
	err := g.pass(op)
	if err == nil || to.spare {
		return err
	}
	if isFull(err) && g.space.giveUp() {
		g.log.Warn("disk is full: gave up the reserve", "path", to.name)
		if retriable {
			err = g.pass(op)
		}
	}
	if err == nil || g.canGiveUp(to.name) {
		return err
	}
	g.fail(writeFailure(to.name, err))
	select {} // see guard
}

// canGiveUp reports whether the database gives up cleanly when it hears that
// a write failed. Only while it opens it does, and not for a table: for that
// it waits without end.
func (g *guard) canGiveUp(name string) bool {
	return !g.armed.Load() && !strings.HasSuffix(name, ".sst")
}

// pass runs a write unless the store is fenced; then it never returns.
func (g *guard) pass(op func() error) error {
	g.gate.RLock()
	if g.fenced {
		g.gate.RUnlock()
		select {} // see guard
	}
	defer g.gate.RUnlock()
	return op()
}

func writeFailure(name string, err error) error {
	if isFull(err) {
		return fault.Newf(fault.Exhausted, "disk full: writing %s: %w", name, err).
			WithHint("free some space and start again; what was acknowledged is safe and can be read")
	}
	return fault.Newf(fault.Unavailable, "the disk refused a write to %s: %w", name, err).
		WithHint("check the disk and start again; what was acknowledged is safe and can be read")
}

// logger is what the database logs to.
type logger struct {
	guard *guard
	log   *slog.Logger
}

// Infof is for those who develop the database.
func (logger) Infof(string, ...any) {}

// Errorf logs a complaint.
func (l logger) Errorf(format string, args ...any) {
	l.log.Warn("database complains", "msg", fmt.Sprintf(format, args...))
}

// Fatalf marks the store as failed instead of ending the process.
func (l logger) Fatalf(format string, args ...any) {
	msg := fmt.Sprintf(format, args...)
	if !l.guard.armed.Load() {
		l.log.Error("database cannot be opened", "msg", msg)
		return
	}
	l.guard.fail(fault.New(fault.Internal, "the database gave up: "+msg))
}
