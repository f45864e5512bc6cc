//go:build linux

package guest

import (
	"context"
	"iter"
	"strings"
	"sync"

	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// Change says what happened to a file: bits.
type Change uint8

// The changes.
const (
	Created  = Change(wire.Created)
	Written  = Change(wire.Written)
	Removed  = Change(wire.Removed)
	Moved    = Change(wire.Moved)    // away from or to this name
	Attrs    = Change(wire.Attrs)    // mode, owner or times
	Overflow = Change(wire.Overflow) // changes were lost: look at everything
)

// Event is a change beneath a watched path.
type Event struct {
	Path   string // relative to the watched path; empty: that itself
	Change Change
}

// maxEvents is how many events a watch keeps for a slow reader.
const maxEvents = 16 << 10

// Watcher reports changes beneath a path. Close it.
type Watcher struct {
	call *call
	ctx  context.Context
	wake chan struct{} // has one place

	mu     sync.Mutex // guards below
	events []Event
	ready  bool
	lost   bool
}

// Watch watches the file or folder at path; with recursive, every folder
// beneath it, those that appear later included. When it returns, no change
// from now on is missed. It ends with ctx.
//
// A reader that is too slow, or more than 8192 folders, show as an event with
// Overflow.
func (c *Client) Watch(ctx context.Context, path string, recursive bool) (*Watcher, error) {
	w := &Watcher{ctx: ctx, wake: make(chan struct{}, 1)}
	k, err := c.begin(wire.KindWatch, &wire.Watch{Path: path, Recursive: recursive}, w.part, nil)
	if err != nil {
		return nil, doing("watch", path, err)
	}
	w.call = k
	select {
	case <-w.wake:
		w.signal() // there may be events too
		return w, nil
	case <-k.done:
		return nil, doing("watch", path, k.wait(ctx, &wire.Empty{}))
	case <-ctx.Done():
		k.drop()
		return nil, doing("watch", path, stopped(ctx))
	}
}

// part takes events from the guest.
func (w *Watcher) part(payload []byte, fds []int) error {
	var m wire.Events
	if err := noFDs(fds); err != nil {
		return err
	}
	if err := wire.Parse(payload, &m); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ready && len(m.List) > 0 {
		return breach("events of a watch that is not ready")
	}
	w.ready = true
	for _, e := range m.List {
		if !below(e.Path) {
			return breach("an event that is not beneath its path")
		}
		if len(w.events) >= maxEvents {
			w.lost = true
			break
		}
		w.events = append(w.events, Event{e.Path, Change(e.Bits)})
	}
	w.signal()
	return nil
}

func (w *Watcher) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Events yields changes as they come, until the loop is left, the watch's
// context ends, or the session does; the last two are its last error.
func (w *Watcher) Events() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			for _, e := range w.take() {
				if !yield(e, nil) {
					return
				}
			}
			select {
			case <-w.wake:
			case <-w.call.done:
				yield(Event{}, w.call.wait(w.ctx, &wire.Empty{}))
				return
			case <-w.ctx.Done():
				yield(Event{}, stopped(w.ctx))
				return
			}
		}
	}
}

func (w *Watcher) take() []Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.events
	w.events = nil
	if w.lost {
		w.lost = false
		list = append(list, Event{Change: Overflow})
	}
	return list
}

// Close ends the watch. It may be called again.
func (w *Watcher) Close() error {
	if !w.call.over() {
		w.call.drop()
	}
	return nil
}

// below reports whether a path is relative and stays beneath where it starts.
func below(path string) bool {
	if path == "" {
		return true
	}
	for _, s := range strings.Split(path, "/") {
		if !element(s) {
			return false
		}
	}
	return true
}
