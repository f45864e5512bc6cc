//go:build linux

package flow

import (
	"io"
	"sync"

	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// Writer is the end of a stream that writes. It is safe for concurrent use;
// concurrent writes are not torn below wire.MaxData bytes.
type Writer struct {
	mux *Mux
	key Key

	stopped func() // nil: nobody is told

	mu     sync.Mutex // guards below
	cond   sync.Cond  // of mu: something changed
	credit int64
	closed bool
	err    error // the reader or the session has gone
}

// Write sends p as fast as the reader takes it. It returns io.ErrClosedPipe
// when the reader has gone, and the session's error when that ended.
func (w *Writer) Write(p []byte) (int, error) {
	sent := 0
	for sent < len(p) {
		n, err := w.reserve(len(p) - sent)
		if err != nil {
			return sent, err
		}
		if err := w.mux.send(w.key, wire.KindData, p[sent:sent+n]); err != nil {
			return sent, err
		}
		sent += n
	}
	return sent, nil
}

// reserve waits until some of want bytes may be sent.
func (w *Writer) reserve(want int) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.credit == 0 && w.err == nil && !w.closed {
		w.cond.Wait()
	}
	switch {
	case w.closed:
		return 0, io.ErrClosedPipe
	case w.err != nil:
		return 0, w.err
	}
	n := min(want, wire.MaxData, int(w.credit))
	w.credit -= int64(n)
	return n, nil
}

// Close tells the reader that no more comes. It may be called again.
func (w *Writer) Close() error {
	w.mu.Lock()
	was := w.closed
	w.closed = true
	w.cond.Broadcast()
	w.mu.Unlock()
	if was {
		return nil
	}
	w.mux.forgetWriter(w.key)
	return w.mux.send(w.key, wire.KindEnd, nil)
}

// grant lets n more bytes be sent.
func (w *Writer) grant(n int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n > wire.Window || w.credit+n > wire.Window {
		return broken("a credit of %d bytes, beyond the window", n)
	}
	w.credit += n
	w.cond.Broadcast()
	return nil
}

// stop makes writes fail: nobody reads.
func (w *Writer) stop(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return
	}
	w.err = err
	w.cond.Broadcast()
	if w.stopped != nil && !w.closed {
		go w.stopped()
	}
}
