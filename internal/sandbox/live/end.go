package live

import (
	"context"
	"errors"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
)

// The reasons for which a sandbox ends.
var (
	ErrClosed error = fault.New(fault.Unavailable, "the sandbox was closed")
	ErrIdle   error = fault.New(fault.Unavailable, "the sandbox was idle for too long")
)

// Close ends the sandbox: its processes are asked to stop, and killed after
// sandbox.Grace; a paused one is killed at once. It returns when everything
// was released, and may be called again.
func (s *Sandbox) Close() error {
	s.end(ErrClosed, sandbox.Grace)
	<-s.done
	return s.released()
}

// Kill ends the sandbox at once; see Close.
func (s *Sandbox) Kill() error {
	s.end(ErrClosed, 0)
	<-s.done
	return s.released()
}

// Done is closed when the sandbox has ended and everything was released.
func (s *Sandbox) Done() <-chan struct{} { return s.done }

// Err returns why the sandbox ends: ErrClosed, ErrIdle, or what became of its
// first process. nil: it lives.
func (s *Sandbox) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

func (s *Sandbox) released() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// end asks for the end, once.
func (s *Sandbox) end(why error, grace time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why != nil {
		return
	}
	s.why, s.grace = why, grace
	close(s.quit)
}

// watch waits for a reason to end and then ends the sandbox. It is the one
// place that releases it.
func (s *Sandbox) watch(idle time.Duration) {
	defer close(s.done)
	s.wait(idle)

	s.mu.Lock()
	grace := s.grace
	if s.paused {
		grace = 0
	}
	s.mu.Unlock()
	if grace > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), grace+time.Second)
		_ = s.Shutdown(ctx, grace) // what does not answer is killed next
		cancel()
	}
	report := s.reported()
	err := errors.Join(s.machine.Close(), s.Client.Close())
	s.mu.Lock()
	s.report, s.err = report, err
	s.mu.Unlock()
}

// unpark gives a sandbox of a stock away, if it still lives.
func (s *Sandbox) unpark() bool {
	close(s.parked)
	return s.Err() == nil && s.Client.Err() == nil
}

// wait returns when the sandbox is to end, or has.
func (s *Sandbox) wait(idle time.Duration) {
	if s.parked != nil {
		select {
		case <-s.parked:
		case <-s.quit:
		case <-s.Client.Done():
		}
	}
	var alarm <-chan time.Time
	var timer *time.Timer
	if idle > 0 {
		timer = time.NewTimer(idle)
		defer timer.Stop()
		alarm = timer.C
	}
	for {
		select {
		case <-s.quit:
			return
		case <-s.Client.Done():
			s.end(s.Client.Err(), 0)
			return
		case <-alarm:
			left := s.left(idle)
			if left <= 0 {
				s.end(ErrIdle, sandbox.Grace)
				return
			}
			timer.Reset(left)
		}
	}
}

// left is how long the sandbox may still be idle.
func (s *Sandbox) left(idle time.Duration) time.Duration {
	since := s.Client.Idle()
	if since.IsZero() || s.use.busy() {
		return idle
	}
	if last := s.use.last(); last.After(since) {
		since = last
	}
	return idle - time.Since(since)
}
