//go:build linux

package flow

import (
	"io"
	"sync"

	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// Reader is the end of a stream that reads. It is safe for concurrent use.
type Reader struct {
	mux *Mux
	key Key

	mu     sync.Mutex // guards below
	cond   sync.Cond  // of mu: something changed
	chunks [][]byte
	unread int   // bytes in chunks
	owed   int   // bytes taken since the last credit
	gone   bool  // Close was called
	ended  bool  // the peer sends no more
	err    error // why, if not by its own will
}

// Read waits for bytes. It returns io.EOF at the end of the stream, and the
// session's error when that ended first.
func (r *Reader) Read(p []byte) (int, error) {
	n, credit, err := r.take(p)
	if credit > 0 {
		_ = r.mux.credit(r.key, credit)
	}
	return n, err
}

func (r *Reader) take(p []byte) (n, credit int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.chunks) == 0 && !r.ended && !r.gone {
		r.cond.Wait()
	}
	switch {
	case r.gone:
		return 0, 0, io.ErrClosedPipe
	case len(r.chunks) == 0 && r.err != nil:
		return 0, 0, r.err
	case len(r.chunks) == 0:
		return 0, 0, io.EOF
	}
	n = copy(p, r.chunks[0])
	r.chunks[0] = r.chunks[0][n:]
	if len(r.chunks[0]) == 0 {
		r.chunks[0] = nil
		r.chunks = r.chunks[1:]
	}
	r.unread -= n
	r.owed += n
	if r.owed >= wire.Window/4 && !r.ended {
		credit, r.owed = r.owed, 0
	}
	return n, credit, nil
}

// Close says that nobody will read on. What the peer still sends is dropped.
// It may be called again.
func (r *Reader) Close() error {
	r.mu.Lock()
	tell := !r.gone && !r.ended
	r.gone, r.chunks = true, nil
	r.cond.Broadcast()
	r.mu.Unlock()
	if tell {
		return r.mux.send(r.key, wire.KindStop, nil)
	}
	return nil
}

// deliver takes bytes from the peer.
func (r *Reader) deliver(p []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unread += len(p)
	switch {
	case len(p) == 0:
		return broken("empty data frame")
	case r.ended:
		return broken("data after the end of a stream")
	case r.unread > wire.Window-r.owed:
		return broken("a stream beyond its window")
	case r.gone:
		return nil
	}
	r.keep(p)
	r.cond.Signal()
	return nil
}

// keep copies p to the end of the chunks. Small pieces share a chunk, so that
// a peer that sends single bytes costs no more than one that does not.
func (r *Reader) keep(p []byte) {
	if n := len(r.chunks); n > 0 && cap(r.chunks[n-1])-len(r.chunks[n-1]) >= len(p) {
		r.chunks[n-1] = append(r.chunks[n-1], p...)
		return
	}
	r.chunks = append(r.chunks, append(make([]byte, 0, max(len(p), smallChunk)), p...))
}

const smallChunk = 4 << 10

// end says that no more comes.
func (r *Reader) end(err error) {
	r.mux.forgetReader(r.key)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ended {
		r.ended, r.err = true, err
		r.cond.Broadcast()
	}
}

// credit lets the peer send n more bytes.
func (m *Mux) credit(k Key, n int) error {
	b, err := wire.Encode(nil, &wire.Count{N: int64(n)})
	if err != nil {
		return err
	}
	return m.send(k, wire.KindCredit, b)
}
