package engine

import (
	"slices"
	"sync"
)

// slots are the places for attempts over all jobs. Jobs that found none wait
// in a queue, and while it is not empty only its head is served, so a busy
// job cannot keep its places for ever.
type slots struct {
	max int

	mu    sync.Mutex // guards below
	used  int
	queue []*actor
}

// reserve takes at most want places for a job and returns how many.
func (s *slots) reserve(a *actor, want int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) > 0 && s.queue[0] != a {
		return 0
	}
	n := max(0, min(want, s.max-s.used))
	s.used += n
	return n
}

// settle turns reserved places into started attempts. More may have started
// than were reserved, when a commit turned out to have happened after all:
// they are on record and take a place even if there is none.
func (s *slots) settle(reserved, started int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used += started - reserved
	s.wake()
}

// release gives places back and wakes the job that waits longest.
func (s *slots) release(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used -= n
	s.wake()
}

// wait queues a job that still has ready work. One that was served goes to
// the end; one that was not keeps its turn.
func (s *slots) wait(a *actor, served bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if served {
		s.remove(a)
	}
	if !slices.Contains(s.queue, a) {
		s.queue = append(s.queue, a)
	}
	s.wake() // a place may have come free since it asked
}

// leave takes a job out of the queue.
func (s *slots) leave(a *actor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.remove(a) {
		s.wake()
	}
}

// remove takes a job out of the queue; the caller holds mu.
func (s *slots) remove(a *actor) bool {
	at := slices.Index(s.queue, a)
	if at < 0 {
		return false
	}
	s.queue = slices.Delete(s.queue, at, at+1)
	return true
}

// wake tells the head of the queue that there is room; the caller holds mu.
func (s *slots) wake() {
	if len(s.queue) == 0 || s.used >= s.max {
		return
	}
	select {
	case s.queue[0].wake <- struct{}{}:
	default:
	}
}
