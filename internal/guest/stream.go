//go:build linux

package guest

import (
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest/flow"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// streams are the host's ends of a request's streams, and the descriptors to
// send with it.
type streams struct {
	c    *Client
	id   uint64
	size int // of pipes; 0: the kernel's own
	sent []int
	ours []io.Closer
}

// writer opens a stream to the guest.
func (s *streams) writer(index uint16) (io.WriteCloser, error) {
	if s.c.mux != nil {
		w, err := s.c.mux.Writer(flow.Key{ID: s.id, Index: index}, nil)
		if err != nil {
			return nil, err
		}
		s.ours = append(s.ours, w)
		return w, nil
	}
	return s.pipe(1)
}

// reader opens a stream from the guest.
func (s *streams) reader(index uint16) (io.ReadCloser, error) {
	if s.c.mux != nil {
		r, err := s.c.mux.Reader(flow.Key{ID: s.id, Index: index})
		if err != nil {
			return nil, err
		}
		s.ours = append(s.ours, r)
		return r, nil
	}
	return s.pipe(0)
}

// pipe makes a pipe of which one end is ours. Only pipes ever reach a sandbox:
// a file or folder as descriptor would be a way around every path rule.
func (s *streams) pipe(ours int) (*os.File, error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, fault.Newf(fault.Exhausted, "open pipe: %w", err)
	}
	if s.size > 0 {
		_, _ = unix.FcntlInt(uintptr(p[0]), unix.F_SETPIPE_SZ, s.size) // a hint: users have a budget of pipe pages
	}
	_ = unix.SetNonblock(p[ours], true)
	f := os.NewFile(uintptr(p[ours]), "pipe")
	s.sent = append(s.sent, p[1-ours])
	s.ours = append(s.ours, f)
	return f, nil
}

// release closes the descriptors that were sent.
func (s *streams) release() {
	wire.CloseAll(s.sent)
	s.sent = nil
}

// abandon closes our ends of a request that did not start.
func (s *streams) abandon() {
	s.release()
	for _, c := range s.ours {
		_ = c.Close()
	}
}

// bulk is the size of pipes for files and trees: what users may have at most
// by default, see pipe(7).
const bulk = 1 << 20
