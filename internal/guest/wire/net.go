//go:build linux

package wire

import (
	"errors"
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// Net is a transport over a connection of the net package, or anything that
// reads and writes, for the host's end. A *net.UnixConn carries descriptors.
type Net struct {
	conn io.ReadWriteCloser
	unix *net.UnixConn // nil: bytes only
	oob  []byte
}

// NewNet returns a transport over conn, which it owns.
func NewNet(conn io.ReadWriteCloser) *Net {
	t := &Net{conn: conn}
	if u, ok := conn.(*net.UnixConn); ok {
		t.unix, t.oob = u, make([]byte, oobSize)
	}
	return t
}

// Rights reports whether the connection is a unix socket.
func (t *Net) Rights() bool { return t.unix != nil }

// Close ends the session.
func (t *Net) Close() error { return t.conn.Close() }

// Recv implements Transport.
func (t *Net) Recv(p []byte) (int, []int, error) {
	if t.unix == nil {
		n, err := t.conn.Read(p)
		if n > 0 {
			err = nil
		}
		return n, nil, err
	}
	n, oobn, flags, _, err := t.unix.ReadMsgUnix(p, t.oob)
	fds, bad := Rights(t.oob[:oobn], flags)
	switch {
	case bad != nil:
		return 0, nil, bad
	case errors.Is(err, io.EOF), err == nil && n == 0:
		return 0, fds, io.EOF
	case err != nil:
		return 0, fds, err
	}
	return n, fds, nil
}

// Send implements Transport.
func (t *Net) Send(p []byte, fds []int) error {
	if t.unix != nil && len(fds) > 0 {
		n, _, err := t.unix.WriteMsgUnix(p, unix.UnixRights(fds...), nil)
		if err != nil || n == len(p) {
			return err
		}
		p = p[n:]
	}
	_, err := t.conn.Write(p)
	return err
}
