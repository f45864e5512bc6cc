//go:build linux

// Package flow carries streams of bytes over frames, with flow control, where
// descriptors cannot travel. Both ends use it. A stream has one direction and
// is named by the request that it belongs to and an index.
//
// A sender may have wire.Window bytes on the way that the reader has not
// taken; a peer that sends more ends the session. So memory is bounded, and a
// reader of frames never waits for a reader of streams.
package flow

import (
	"io"
	"sync"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// MaxStreams is how many streams of each direction a session may have open.
const MaxStreams = 4096

// Key names a stream.
type Key struct {
	ID    uint64
	Index uint16
}

// Mux holds the streams of a session.
type Mux struct {
	// Lenient drops data for streams that do not exist. It is for the guest,
	// whose request may have failed before it opened the stream that the host
	// is already writing to. It is set before the first frame.
	Lenient bool

	write func(wire.Frame) error

	mu  sync.Mutex // guards below
	in  map[Key]*Reader
	out map[Key]*Writer
	err error // why the session ended; nil: it did not
}

// New returns a Mux that sends its frames through write, which many
// goroutines call.
func New(write func(wire.Frame) error) *Mux {
	return &Mux{write: write, in: map[Key]*Reader{}, out: map[Key]*Writer{}}
}

// Reader opens the end that reads. It must be open before the peer can know
// of the stream.
func (m *Mux) Reader(k Key) (*Reader, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.admit(len(m.in)); err != nil {
		return nil, err
	}
	if m.in[k] != nil {
		return nil, fault.New(fault.Internal, "stream is open already")
	}
	r := &Reader{mux: m, key: k}
	r.cond.L = &r.mu
	m.in[k] = r
	return r, nil
}

// Writer opens the end that writes. stopped is called once when the reader has
// gone, on a goroutine of its own, so that whoever fills the stream need not
// find out by writing; nil: nobody is told.
func (m *Mux) Writer(k Key, stopped func()) (*Writer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.admit(len(m.out)); err != nil {
		return nil, err
	}
	if m.out[k] != nil {
		return nil, fault.New(fault.Internal, "stream is open already")
	}
	w := &Writer{mux: m, key: k, credit: wire.Window, stopped: stopped}
	w.cond.L = &w.mu
	m.out[k] = w
	return w, nil
}

// admit is called with the lock held.
func (m *Mux) admit(open int) error {
	if m.err != nil {
		return m.err
	}
	if open >= MaxStreams {
		return fault.Newf(fault.Exhausted, "%d streams are open", open)
	}
	return nil
}

// Handle takes a frame of a stream. It never waits. It fails with
// fault.Corrupt when the peer broke the rules, which ends the session.
func (m *Mux) Handle(f wire.Frame) error {
	k := Key{f.ID, f.Index}
	m.mu.Lock()
	r, w := m.in[k], m.out[k]
	m.mu.Unlock()

	switch f.Kind {
	case wire.KindData, wire.KindEnd:
		switch {
		case r == nil && m.Lenient:
		case r == nil:
			return broken("data or an end for no stream")
		case f.Kind == wire.KindData:
			return r.deliver(f.Payload)
		default:
			r.end(nil)
		}
		return nil
	case wire.KindCredit:
		var n wire.Count
		if err := wire.Parse(f.Payload, &n); err != nil || w == nil {
			return err // a writer that has gone needs no credit
		}
		return w.grant(n.N)
	case wire.KindStop:
		if w != nil {
			w.stop(io.ErrClosedPipe)
		}
		return nil
	default:
		return broken("frame kind %d is not about a stream", f.Kind)
	}
}

// Close ends all streams with err.
func (m *Mux) Close(err error) {
	m.mu.Lock()
	m.err = err
	in, out := m.in, m.out
	m.in, m.out = map[Key]*Reader{}, map[Key]*Writer{}
	m.mu.Unlock()
	for _, r := range in {
		r.end(err)
	}
	for _, w := range out {
		w.stop(err)
	}
}

func (m *Mux) send(k Key, kind wire.Kind, payload []byte) error {
	return m.write(wire.Frame{Kind: kind, ID: k.ID, Index: k.Index, Payload: payload})
}

func (m *Mux) forgetReader(k Key) {
	m.mu.Lock()
	delete(m.in, k)
	m.mu.Unlock()
}

func (m *Mux) forgetWriter(k Key) {
	m.mu.Lock()
	delete(m.out, k)
	m.mu.Unlock()
}

func broken(format string, args ...any) error {
	return fault.Newf(fault.Corrupt, "guest protocol: "+format, args...)
}
