//go:build linux

// Package inside is the sandbox's end of the guest protocol: what
// bulkhead-init does. It starts commands, reaps every process, and reads,
// writes and watches files, for one host at the other end of one connection.
//
// It holds no authority of its own: it runs inside all walls, with the same
// rights as the commands that it starts. When the connection ends, it ends.
package inside

import (
	"io"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/guest/beneath"
	"github.com/bulkhead-dev/bulkhead/internal/guest/flow"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// Options of a server. The zero Options are for tests in the host's process.
type Options struct {
	// Root is the folder that file operations stay beneath; empty: "/".
	Root string
	// First says that this process is the sandbox's first: it reaps every
	// process, and ends all of them when asked to shut down.
	First bool
	// Ended waits until a child may have ended since its last return, for a
	// first process that is told; it fails when it will not be told any more.
	// nil: a thread waits for children.
	Ended func() error
	// Idle is called when the last request has ended, to give memory back;
	// nil: nothing.
	Idle func()
}

// MaxRequests is how many requests may be under way.
const MaxRequests = 4096

// Serve answers the host at the other end of t until it closes the connection,
// which is no error, or asks to shut down. Then every command is killed.
func Serve(t wire.Transport, opt Options) error {
	if opt.Root == "" {
		opt.Root = "/"
	}
	root, err := beneath.Open(opt.Root)
	if err != nil {
		return err
	}
	s := &session{
		conn: wire.NewConn(t, wire.MaxRequest),
		opt:  opt,
		root: root,
		null: -1,
		ops:  map[uint64]*op{},

		pumps: map[io.Closer]struct{}{},
	}
	if !opt.First {
		if s.null, err = unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
			return err
		}
		defer unix.Close(s.null)
	}
	s.execs.init(&s.opt)
	err = s.serve()
	s.end()
	return err
}

// session is one connection.
type session struct {
	conn  *wire.Conn
	opt   Options
	root  *beneath.Root
	execs execs
	mux   *flow.Mux // nil when descriptors travel
	key   [2]uint64
	null  int // what commands get that have no stream; -1: our own 0 to 2, which are nothing else

	mu    sync.Mutex // guards below
	ops   map[uint64]*op
	pumps map[io.Closer]struct{} // ends of framed streams
	done  sync.WaitGroup         // of handlers; Add under mu
}

// serve greets and then reads requests to the end.
func (s *session) serve() error {
	err := s.conn.Send(wire.KindHello, 0, &wire.Hello{Magic: wire.Magic, Version: wire.Version, Rights: s.conn.Rights()})
	if err != nil {
		return err
	}
	if err := s.greet(); err != nil {
		return err
	}
	for {
		f, err := s.conn.Read()
		switch {
		case err == io.EOF, err == unix.ECONNRESET:
			return nil
		case err != nil:
			return err
		}
		if err := s.handle(f); err != nil {
			return err
		}
	}
}

// greet reads the host's hello: it says how streams travel.
func (s *session) greet() error {
	f, err := s.conn.Read()
	if err == io.EOF {
		return nil
	}
	if err != nil {
		return err
	}
	var hello wire.Hello
	if f.Kind != wire.KindHello {
		return errOrder
	}
	if err := wire.Parse(f.Payload, &hello); err != nil {
		return err
	}
	if err := hello.Check(); err != nil {
		return err
	}
	s.key = hello.Key
	if !hello.Rights || !s.conn.Rights() {
		s.mux = flow.New(s.conn.Write)
		s.mux.Lenient = true
	}
	return nil
}

// handle takes one frame. An error is the host's breach of the protocol.
func (s *session) handle(f wire.Frame) error {
	switch f.Kind {
	case wire.KindCancel:
		if o := s.find(f.ID); o != nil {
			o.cancel()
		}
		return nil
	case wire.KindFinish:
		return s.finish(f)
	case wire.KindData, wire.KindEnd, wire.KindCredit, wire.KindStop:
		if s.mux == nil {
			return errOrder
		}
		return s.mux.Handle(f)
	}
	h := handlers[f.Kind]
	if h == nil {
		return errOrder
	}
	o, err := s.open(f)
	if err != nil {
		return err
	}
	return h(o, f.Payload)
}

// end lets go of everything.
func (s *session) end() {
	s.mu.Lock()
	for _, o := range s.ops {
		o.cancel()
	}
	s.mu.Unlock()
	_ = s.conn.Close()
	s.conn.Discard()
	if s.mux != nil {
		s.mux.Close(io.ErrClosedPipe)
	}
	s.execs.close()
	s.stopPumps()
	s.done.Wait()
	_ = s.root.Close()
}
