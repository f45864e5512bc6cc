//go:build linux

package inside

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// op is one request under way.
type op struct {
	s      *session
	id     uint64
	fds    []int      // that came with it and were not taken yet
	finish chan int64 // how many bytes the host put into its stream
	owed   uint16     // framed streams to the host that were not opened, a bit each

	mu        sync.Mutex // guards below
	cancelled bool
	onCancel  func()
	terminal  *os.File // framed; nil: none
}

// owe says that the host expects a stream. If the request fails before it is
// opened, it still gets an end, so that the host can forget it.
func (o *op) owe(index uint16) { o.owed |= 1 << index }

// paid says that a stream was opened, or has ended.
func (o *op) paid(index uint16) { o.owed &^= 1 << index }

// settle ends the streams that were never opened.
func (o *op) settle() {
	for i := uint16(0); o.s.mux != nil && o.owed>>i != 0; i++ {
		if o.owed>>i&1 != 0 {
			_ = o.s.conn.Write(wire.Frame{Kind: wire.KindEnd, ID: o.id, Index: i})
		}
	}
}

// open registers the request of a frame.
func (s *session) open(f wire.Frame) (*op, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ops[f.ID] != nil {
		wire.CloseAll(f.FDs)
		return nil, errOrder
	}
	o := &op{s: s, id: f.ID, fds: f.FDs, finish: make(chan int64, 1)}
	s.ops[f.ID] = o
	s.done.Add(1)
	return o, nil
}

func (s *session) find(id uint64) *op {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ops[id]
}

// crowded reports whether too many requests are under way.
func (s *session) crowded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ops) > MaxRequests
}

// finish passes on what the host says about a stream's length. The request
// may have failed meanwhile.
func (s *session) finish(f wire.Frame) error {
	var n wire.Count
	if err := wire.Parse(f.Payload, &n); err != nil {
		return err
	}
	o := s.find(f.ID)
	if o == nil {
		return nil
	}
	select {
	case o.finish <- n.N:
		return nil
	default:
		return errOrder
	}
}

// cancel asks the handler to stop. It may be called again.
func (o *op) cancel() {
	o.mu.Lock()
	f := o.onCancel
	o.cancelled, o.onCancel = true, nil
	o.mu.Unlock()
	if f != nil {
		f()
	}
}

// whenCancelled has f called once on a cancel, now if it came already.
func (o *op) whenCancelled(f func()) {
	o.mu.Lock()
	now := o.cancelled
	if !now {
		o.onCancel = f
	}
	o.mu.Unlock()
	if now {
		f()
	}
}

// part sends something on the way. Descriptors stay the caller's.
func (o *op) part(m wire.Message, fds ...int) error {
	return o.s.conn.Send(wire.KindPart, o.id, m, fds...)
}

// answer ends the request. What cannot be sent any more is not missed: then
// the host has gone.
func (o *op) answer(m wire.Message, err error, fds ...int) {
	wire.CloseAll(o.fds)
	o.settle()
	s := o.s
	s.mu.Lock()
	delete(s.ops, o.id)
	idle := len(s.ops) == 0
	s.mu.Unlock()
	if err != nil {
		_ = s.conn.Send(wire.KindFail, o.id, failure(err))
	} else {
		_ = s.conn.Send(wire.KindDone, o.id, m, fds...)
	}
	if idle && s.opt.Idle != nil {
		s.opt.Idle()
	}
	s.done.Done()
}

// take removes and returns the next descriptor that came with the request.
func (o *op) take() (int, error) {
	if len(o.fds) == 0 {
		return -1, at(wire.WhereStream, unix.EBADF)
	}
	fd := o.fds[0]
	o.fds = o.fds[1:]
	return fd, nil
}
