// Package live is the sandbox that stays: booted once by a layer, it runs any
// number of commands, one beside the other, and has files, terminals, ports
// and processes, until it is closed, has been idle for too long, or ends.
//
// The walls are the sandbox's. The commands of one sandbox are not isolated
// from each other: they share its files, its processes and its limits.
package live

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Booter starts machines: a sandbox.Manager, or a layer.
type Booter interface {
	Boot(ctx context.Context, req sandbox.Request) (sandbox.Machine, error)
}

// Options of a sandbox. The zero Options are usable.
type Options struct {
	// Idle ends the sandbox when nothing was asked of it for this long. A
	// command that runs is not idle; a process that has outlived its command
	// is. 0: never.
	Idle time.Duration
	// Missing is added to what the report says is missing.
	Missing []string

	parked bool // it waits in a stock
}

// Sandbox is a live sandbox. It is safe for concurrent use. What it has beyond
// the methods here (files, trees, processes, watching) is its guest.Client's.
type Sandbox struct {
	*guest.Client

	machine sandbox.Machine
	policy  policy.Policy
	inside  sandbox.Inside
	env     []string // of a command that adds none
	layer   policy.Layer
	use     use

	missing []string
	parked  chan struct{} // closed when it was taken from its stock; nil: it is in none
	quit    chan struct{} // closed when somebody wants it to end
	done    chan struct{} // closed when everything was released

	mu     sync.Mutex // guards below
	why    error      // it ended; nil: nobody asked it to
	grace  time.Duration
	paused bool
	report event.Report // the last one, once it has ended
	err    error        // of the release

	killed memoryKills
}

// bootTime bounds how long the first process may take to answer.
const bootTime = 30 * time.Second

// Open boots a sandbox; req.Args are not used. It fails as Booter.Boot does,
// and with fault.Unavailable when the first process does not answer.
func Open(ctx context.Context, b Booter, req sandbox.Request, opt Options) (*Sandbox, error) {
	m, err := b.Boot(ctx, req)
	if err != nil {
		return nil, err
	}
	inside := m.Inside()
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	c, err := guest.Dial(ctx, m.Conn(), guest.Options{FilterKey: inside.Key})
	if err != nil {
		_ = m.Close()
		return nil, fault.Newf(fault.KindOf(err), "boot sandbox: %w", err)
	}
	s := &Sandbox{
		Client: c, machine: m, policy: req.Policy, inside: inside, layer: req.Policy.Layer,
		env: environ(inside.Env, nil), missing: opt.Missing, quit: make(chan struct{}), done: make(chan struct{}),
	}
	if opt.parked {
		s.parked = make(chan struct{})
	}
	if s.layer == "" {
		s.layer = policy.Native
	}
	go s.watch(opt.Idle)
	return s, nil
}

// Layer is the layer that holds it.
func (s *Sandbox) Layer() policy.Layer { return s.layer }

// Policy is what it was opened with.
func (s *Sandbox) Policy() policy.Policy { return s.policy.Clone() }

// Dir is where commands start that name no folder.
func (s *Sandbox) Dir() string { return s.inside.Dir }

// PID is the first process's id on the host.
func (s *Sandbox) PID() int { return s.machine.PID() }

// Report is what was put up around it, and what was refused so far.
func (s *Sandbox) Report() event.Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.report.Layer != "" {
		return s.report
	}
	return s.reported()
}

// reported asks the layer for the report.
func (s *Sandbox) reported() event.Report {
	r := s.machine.Report()
	r.Missing = slices.Concat(r.Missing, s.missing)
	return r
}

// Usage says what all its processes use together, by the kernel's counters.
// After the end everything is zero.
func (s *Sandbox) Usage() (sandbox.Usage, error) { return s.machine.Usage() }

// Limit changes what its processes may use. Zero fields stay as they are; what
// the layer cannot change in a living sandbox is fault.Unsupported, and then
// nothing changes.
func (s *Sandbox) Limit(l policy.Limits) error { return s.machine.Limit(l) }

// Pause stops every process, and Resume lets them go on. While it is paused
// whatever asks something of the inside waits. They fail with
// fault.Unsupported where the host lets us not.
func (s *Sandbox) Pause() error { return s.freeze(true, s.machine.Freeze) }

// Resume lets a paused sandbox go on; see Pause.
func (s *Sandbox) Resume() error { return s.freeze(false, s.machine.Thaw) }

func (s *Sandbox) freeze(paused bool, do func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why != nil {
		return s.why
	}
	if s.paused == paused {
		return nil
	}
	if err := do(); err != nil {
		return err
	}
	s.paused = paused
	return nil
}

// Paused reports whether it is paused.
func (s *Sandbox) Paused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paused
}
