//go:build linux

package inside

import (
	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/guest/flow"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// dialTimeout bounds a connect: on loopback only a full backlog takes long.
var dialTimeout = unix.Timeval{Sec: 5}

// loopback addresses, in the order in which they are tried.
var loopback = []struct {
	family int
	addr   func(port int) unix.Sockaddr
}{
	{unix.AF_INET, func(p int) unix.Sockaddr { return &unix.SockaddrInet4{Port: p, Addr: [4]byte{127, 0, 0, 1}} }},
	{unix.AF_INET6, func(p int) unix.Sockaddr { return &unix.SockaddrInet6{Port: p, Addr: [16]byte{15: 1}} }},
}

// dial connects to a port of the sandbox and hands the connection out.
func dial(o *op, m *wire.Dial) error {
	if o.s.mux != nil {
		return o.dialFramed(m)
	}
	go func() {
		fd, err := connect(int(m.Port))
		if err != nil {
			o.answer(nil, at(wire.WhereConnect, err))
			return
		}
		o.answer(&wire.Empty{}, nil, fd)
		_ = unix.Close(fd)
	}()
	return nil
}

// The streams of a framed connection.
const (
	dialInput  = 0
	dialOutput = 1
)

// dialFramed pumps a connection that cannot travel. Its streams are opened
// before the next frame is read.
func (o *op) dialFramed(m *wire.Dial) error {
	o.owe(dialOutput)
	r, err := o.s.mux.Reader(flow.Key{ID: o.id, Index: dialInput})
	if err != nil {
		return at(wire.WhereStream, err)
	}
	c := &connection{left: 2}
	in, out := &half{c: c, how: unix.SHUT_WR}, &half{c: c, how: unix.SHUT_RD}
	w, err := o.s.mux.Writer(flow.Key{ID: o.id, Index: dialOutput}, func() { _ = out.Close() })
	if err != nil {
		_ = r.Close()
		return at(wire.WhereStream, err)
	}
	o.paid(dialOutput)
	go func() {
		err := c.open(int(m.Port))
		if err != nil {
			_ = r.Close()
			_ = w.Close()
			o.answer(nil, at(wire.WhereConnect, err))
			return
		}
		o.s.pump(in, r)
		o.s.pump(w, out)
		o.answer(&wire.Empty{}, nil)
	}()
	return nil
}

func connect(port int) (int, error) {
	err := error(unix.ECONNREFUSED)
	for _, to := range loopback {
		fd, e := unix.Socket(to.family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if e != nil {
			continue
		}
		_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &dialTimeout)
		if err = unix.Connect(fd, to.addr(port)); err == nil {
			_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{})
			return fd, nil
		}
		_ = unix.Close(fd)
	}
	return -1, err
}
