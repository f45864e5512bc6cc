//go:build linux

package main

import (
	"runtime/debug"
	"time"
)

// trimAfter is how long nothing must happen before memory is given back.
const trimAfter = 200 * time.Millisecond

// trimmer gives memory back to the kernel when the sandbox is idle: there may
// be hundreds of them.
type trimmer struct{ timer *time.Timer }

func newTrimmer() *trimmer {
	return &trimmer{time.AfterFunc(trimAfter, debug.FreeOSMemory)}
}

// idle is called when nothing is under way.
func (t *trimmer) idle() { t.timer.Reset(trimAfter) }
