//go:build linux

package seccomp

import (
	"slices"

	"golang.org/x/sys/unix"
)

// search is a binary search over spans, with the number in the accumulator.
//
// It is laid out from its end: a branch is written after everything that it
// leads to, so every distance is known, and a span that only returns can share
// one return with its neighbours. That makes the program half as long, and a
// shorter program is put on faster.
func search(spans []span) code {
	t := tree{returns: map[uint32]int{}}
	if top := t.grow(spans); top.plain {
		return code{{Code: opReturn, K: top.ret}}
	}
	slices.Reverse(t.backward)
	return t.backward
}

// tree is a search that is being laid out.
type tree struct {
	backward code           // the last instruction comes first
	returns  map[uint32]int // where the latest return of each value stands in backward
}

// end is where a branch leads: to a plain return, or to a place in backward.
type end struct {
	plain bool
	ret   uint32 // of a plain return
	place int
}

// grow lays out the search over spans and says where it begins.
func (t *tree) grow(spans []span) end {
	if len(spans) == 1 {
		return t.leaf(spans[0].leaf)
	}
	middle := len(spans) / 2
	high, low := t.grow(spans[middle:]), t.grow(spans[:middle])
	above, below := t.near(high), t.near(low)
	above = t.near(end{place: above}) // the other one may have pushed it away
	return end{place: t.put(unix.SockFilter{
		Code: opAtMin, K: spans[middle].first,
		Jt: t.distance(above), Jf: t.distance(below),
	})}
}

// leaf lays out what happens in one span.
func (t *tree) leaf(c code) end {
	if len(c) == 1 {
		return end{plain: true, ret: c[0].K}
	}
	for _, in := range slices.Backward(c) {
		t.put(in)
	}
	return end{place: len(t.backward) - 1}
}

// near is a place, with the effect of an end, that the next instructions can
// branch to. It keeps a few places free for what near itself puts in between.
func (t *tree) near(e end) int {
	place, known := e.place, true
	if e.plain {
		place, known = t.returns[e.ret]
	}
	const reserve = 4
	switch {
	case known && len(t.backward)-place-1 <= maxShort-reserve:
		return place
	case e.plain:
		place = t.put(unix.SockFilter{Code: opReturn, K: e.ret})
		t.returns[e.ret] = place
		return place
	}
	return t.put(unix.SockFilter{Code: opJump, K: uint32(len(t.backward) - place - 1)})
}

// put writes an instruction before all others.
func (t *tree) put(in unix.SockFilter) int {
	t.backward = append(t.backward, in)
	return len(t.backward) - 1
}

// distance is how far the next instruction must leap to a place.
func (t *tree) distance(place int) uint8 { return uint8(len(t.backward) - place - 1) }
