//go:build linux

package inside

import (
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/guest/flow"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// input returns the descriptor from which to read the host's stream: the one
// that came with the request, or a pipe that frames are pumped into. It is the
// caller's to close.
func (o *op) input(index uint16) (int, error) {
	if o.s.mux == nil {
		return o.take()
	}
	r, err := o.s.mux.Reader(flow.Key{ID: o.id, Index: index})
	if err != nil {
		return -1, at(wire.WhereStream, err)
	}
	ours, theirs, err := pipe(1)
	if err != nil {
		_ = r.Close()
		return -1, at(wire.WhereStream, err)
	}
	o.s.pump(ours, r)
	return theirs, nil
}

// output returns the descriptor to write the stream to the host into.
func (o *op) output(index uint16) (int, error) {
	if o.s.mux == nil {
		return o.take()
	}
	ours, theirs, err := pipe(0)
	if err != nil {
		return -1, at(wire.WhereStream, err)
	}
	w, err := o.s.mux.Writer(flow.Key{ID: o.id, Index: index}, func() { _ = ours.Close() })
	if err != nil {
		_ = ours.Close()
		_ = unix.Close(theirs)
		return -1, at(wire.WhereStream, err)
	}
	o.paid(index)
	o.s.pump(w, ours)
	return theirs, nil
}

// pump copies until one end has gone, in the background, and closes both. The
// end of the session closes them too: a process that it does not know may
// hold the other end of a pipe for ever.
func (s *session) pump(w io.WriteCloser, r io.ReadCloser) {
	s.mu.Lock()
	s.pumps[w], s.pumps[r] = struct{}{}, struct{}{}
	s.mu.Unlock()
	s.done.Go(func() {
		buf := make([]byte, wire.MaxData)
		_, _ = io.CopyBuffer(onlyWriter{w}, onlyReader{r}, buf)
		_ = w.Close()
		_ = r.Close()
		s.mu.Lock()
		delete(s.pumps, w)
		delete(s.pumps, r)
		s.mu.Unlock()
	})
}

// stopPumps closes both ends of every pump.
func (s *session) stopPumps() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.pumps {
		switch c := c.(type) { // the others have ended with the session
		case *os.File:
			_ = c.Close()
		case *half:
			_ = c.c.file().Close()
		}
	}
}

// These hide the shortcuts of *os.File, which would allocate buffers of their
// own.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)

// pipe makes a pipe of which one end (0 reads, 1 writes) is ours to wait on,
// and the other blocks as a command expects it.
func pipe(end int) (ours *os.File, theirs int, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, -1, err
	}
	_ = unix.SetNonblock(p[end], true)
	return os.NewFile(uintptr(p[end]), "pipe"), p[1-end], nil
}
