// Package sandbox runs commands in compartments. It is the portable part:
// output limits, timeouts, cancellation and reports are here, once, above a
// Layer that puts up the walls.
package sandbox

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Manager runs commands in the layers that it was given. It is safe for
// concurrent use.
type Manager struct {
	layers map[policy.Layer]Layer
}

// New returns a manager over layers. Later ones of the same name win.
func New(layers ...Layer) *Manager {
	m := &Manager{layers: make(map[policy.Layer]Layer, len(layers))}
	for _, l := range layers {
		m.layers[l.Name()] = l
	}
	return m
}

// Close closes the layers that hold something of the host. Commands must have
// ended. It may be called twice.
func (m *Manager) Close() error {
	var errs []error
	for _, l := range m.Layers() {
		if c, ok := l.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// Layers returns the layers by name.
func (m *Manager) Layers() []Layer {
	var all []Layer
	for _, name := range slices.Sorted(maps.Keys(m.layers)) {
		all = append(all, m.layers[name])
	}
	return all
}

// Plan lays out the walls for a request in the layer that its policy names;
// none means native. It fails as Layer.Plan does, and with fault.Unsupported
// for a layer that is not there.
func (m *Manager) Plan(ctx context.Context, req Request) (Plan, error) {
	l, err := m.layer(req.Policy.Layer)
	if err != nil {
		return nil, err
	}
	return l.Plan(ctx, req)
}

// layer finds a layer by name; none means native.
func (m *Manager) layer(name policy.Layer) (Layer, error) {
	if name == "" {
		name = policy.Native
	}
	l, ok := m.layers[name]
	if !ok {
		return nil, fault.Newf(fault.Unsupported, "layer %q is not available here", name).
			WithHint("run 'bulkhead doctor' to see which layers this host has")
	}
	return l, nil
}

// IO is where a command's streams go. The zero IO gives an empty stdin and
// keeps output in the Result.
type IO struct {
	Stdin  io.Reader // nil: empty
	Stdout io.Writer // nil: kept in Result.Stdout
	Stderr io.Writer // nil: kept in Result.Stderr
}

// Result is how a command ended. It is a value: an error of Run means that
// Bulkhead could not do its work.
type Result struct {
	ExitCode  int    // -1 when a signal ended it
	Signal    int    // 0: none
	TimedOut  bool   // the policy's wall time ended it
	Cancelled bool   // the context ended it
	Limit     string // the limit that ended it: memory, pids, output, …; empty: none
	Stdout    []byte // at most policy.Limits.Output bytes
	Stderr    []byte
	Truncated bool // more output came than the limit allows; the command was stopped
	Duration  time.Duration
	Layer     policy.Layer
	Report    event.Report
}

// Grace is how long a tree that was asked to stop may take before it is killed.
const Grace = 2 * time.Second

// defaultOutput is the limit of each output stream when the policy has none.
const defaultOutput = 16 << 20

// Run runs one command and waits until its whole tree is gone. Cancelling ctx
// asks the tree to stop, and kills it after Grace; so does the policy's wall
// time.
//
// A command that fails, is killed or hits a limit is a Result. An error means
// that nothing ran: its kind is fault.Denied, fault.Unsupported (with the
// step that failed) or fault.Invalid.
func (m *Manager) Run(ctx context.Context, req Request, streams IO) (Result, error) {
	plan, err := m.Plan(ctx, req)
	if err != nil {
		return Result{}, err
	}
	defer plan.Close()
	return run(ctx, plan, req.Policy, streams)
}

func run(ctx context.Context, plan Plan, p policy.Policy, streams IO) (Result, error) {
	limit := int64(p.Limits.Output)
	if limit == 0 {
		limit = defaultOutput
	}
	pipes, err := openPipes(streams, limit)
	if err != nil {
		return Result{}, err
	}
	started := time.Now()
	proc, err := plan.Start(ctx, pipes.child)
	pipes.closeChild()
	if err != nil {
		pipes.abandon()
		return Result{}, err
	}

	pipes.copy(proc.Kill)
	watch := watchdog(ctx, proc, p.Limits.WallTime)
	exit, err := proc.Wait()
	why := watch.stop()
	pipes.wait()
	if err != nil {
		return Result{}, err
	}

	r := Result{
		ExitCode: exit.Code, Signal: exit.Signal, Limit: exit.Limit,
		Stdout: pipes.stdout.bytes(), Stderr: pipes.stderr.bytes(),
		TimedOut: why == whyTimeout, Cancelled: why == whyCancelled,
		Duration: time.Since(started),
		Layer:    p.Layer,
		Report:   event.Report{Steps: plan.Steps(), Denials: exit.Denials},
	}
	if r.Layer == "" {
		r.Layer = policy.Native
	}
	r.Report.Layer = string(r.Layer)
	if d, ok := plan.(Described); ok {
		r.Report.Launcher, r.Report.Missing = d.Describe()
	}
	if pipes.stdout.over() || pipes.stderr.over() {
		r.Truncated, r.Limit = true, "output"
	}
	return r, nil
}

// Described is a plan that can say how it starts its process and what it
// could not enforce.
type Described interface {
	Describe() (launcher string, missing []string)
}

// The reasons for which a watchdog ends a tree.
const (
	whyNot = iota
	whyTimeout
	whyCancelled
)

// guard ends a process when its time is up or its context is done.
type guard struct {
	quit chan struct{}
	why  chan int
}

// watchdog starts a guard; stop it when the process is gone.
func watchdog(ctx context.Context, proc Process, wall time.Duration) *guard {
	g := &guard{quit: make(chan struct{}), why: make(chan int, 1)}
	go func() { g.why <- g.watch(ctx, proc, wall) }()
	return g
}

func (g *guard) watch(ctx context.Context, proc Process, wall time.Duration) int {
	var timeout <-chan time.Time
	if wall > 0 {
		t := time.NewTimer(wall)
		defer t.Stop()
		timeout = t.C
	}
	why := whyNot
	select {
	case <-g.quit:
		return whyNot
	case <-timeout:
		why = whyTimeout
	case <-ctx.Done():
		why = whyCancelled
	}
	proc.Terminate()
	grace := time.NewTimer(Grace)
	defer grace.Stop()
	select {
	case <-g.quit:
	case <-grace.C:
		proc.Kill()
		<-g.quit
	}
	return why
}

// stop ends the guard and returns the reason for which it acted.
func (g *guard) stop() int {
	close(g.quit)
	return <-g.why
}
