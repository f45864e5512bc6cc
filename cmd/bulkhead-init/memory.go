//go:build linux

package main

import (
	"runtime/debug"
	"sync/atomic"
	"time"
)

// trimEvery is how often memory is given back while requests come, and how
// long after the last one.
const trimEvery = 500 * time.Millisecond

// trimmer gives memory back to the kernel when the sandbox is idle: there may
// be hundreds of them.
type trimmer struct {
	pending atomic.Bool // a trim will come
	busy    atomic.Bool // something happened since it was ordered
}

func newTrimmer() *trimmer {
	t := new(trimmer)
	t.idle()
	return t
}

// idle is called whenever nothing is under way. It is on the way of every
// command, so it touches a timer only twice a second.
func (t *trimmer) idle() {
	t.busy.Store(true)
	if t.pending.CompareAndSwap(false, true) {
		time.AfterFunc(trimEvery, t.trim)
	}
}

func (t *trimmer) trim() {
	if t.busy.Swap(false) {
		time.AfterFunc(trimEvery, t.trim)
		return
	}
	debug.FreeOSMemory()
	t.pending.Store(false)
	if t.busy.Load() && t.pending.CompareAndSwap(false, true) {
		time.AfterFunc(trimEvery, t.trim)
	}
}
