package pebble

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// views holds the newest durable snapshot. Pebble shows a batch to readers
// before it is synced; reading through a snapshot that is taken after the
// sync means that nobody ever sees what a crash could take back.
type views struct {
	mu  sync.Mutex // guards below
	now *view
}

type view struct {
	*pebble.Snapshot
	refs int
}

// set makes a snapshot the newest one; nil when there is none any more.
func (v *views) set(snap *pebble.Snapshot) {
	v.mu.Lock()
	defer v.mu.Unlock()
	old := v.now
	v.now = nil
	if snap != nil {
		v.now = &view{Snapshot: snap, refs: 1}
	}
	v.drop(old)
}

// get returns the newest snapshot and a function that gives it back.
func (v *views) get() (*view, func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.now
	now.refs++
	return now, func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.drop(now)
	}
}

// drop needs v.mu. The error of closing a snapshot is always nil.
func (v *views) drop(old *view) {
	if old == nil {
		return
	}
	if old.refs--; old.refs == 0 {
		_ = old.Close()
	}
}
