package engine

import "testing"

func TestSlots_wakeWhoAskedJustBeforeAPlaceCameFree(t *testing.T) {
	s := &slots{max: 1}
	a, b := newActor(nil, "a"), newActor(nil, "b")
	want(t, "first", s.reserve(a, 5), 1)
	want(t, "second", s.reserve(b, 1), 0)
	s.release(1)
	s.wait(b, false)
	select {
	case <-b.wake:
	default:
		t.Error("b sleeps next to a free place")
	}
	want(t, "a while b is first", s.reserve(a, 1), 0)
	want(t, "b", s.reserve(b, 1), 1)
	s.leave(b)
	want(t, "waiting", len(s.queue), 0)
}

func TestSlots_aJobThatWasServedGoesToTheEnd(t *testing.T) {
	s := &slots{max: 0}
	a, b := newActor(nil, "a"), newActor(nil, "b")
	s.wait(a, false)
	s.wait(b, false)
	s.wait(a, false)
	want(t, "first", s.queue[0].job, a.job)
	s.wait(a, true)
	want(t, "first", s.queue[0].job, b.job)
}
