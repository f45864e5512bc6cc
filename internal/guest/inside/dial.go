//go:build linux

package inside

import (
	"os"

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
	o.owe(1)
	go func() {
		fd, err := connect(int(m.Port))
		if err != nil {
			o.answer(nil, at(wire.WhereConnect, err))
			return
		}
		if o.s.mux == nil {
			o.answer(&wire.Empty{}, nil, fd)
			_ = unix.Close(fd)
			return
		}
		if err := o.frameSocket(fd); err != nil {
			o.answer(nil, err)
			return
		}
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

// frameSocket pumps a connection that cannot travel: stream 0 goes in, 1 out.
func (o *op) frameSocket(fd int) error {
	_ = unix.SetNonblock(fd, true)
	f := os.NewFile(uintptr(fd), "connection")
	c := &halves{File: f, left: 2}
	w, err := o.s.mux.Writer(flow.Key{ID: o.id, Index: 1})
	if err != nil {
		_ = f.Close()
		return at(wire.WhereStream, err)
	}
	o.paid(1)
	r, err := o.s.mux.Reader(flow.Key{ID: o.id, Index: 0})
	if err != nil {
		_ = f.Close()
		_ = w.Close()
		return at(wire.WhereStream, err)
	}
	o.s.pump(half{c, unix.SHUT_WR}, r)
	o.s.pump(w, half{c, unix.SHUT_RD})
	return nil
}
