//go:build linux

package guest

import (
	"errors"
	"io"
	"net"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// transport is the host's end of a connection: anything that reads and writes.
// A *net.UnixConn carries descriptors.
type transport struct {
	conn io.ReadWriteCloser
	unix *net.UnixConn // nil: bytes only
	oob  []byte
}

func newTransport(conn io.ReadWriteCloser) *transport {
	t := &transport{conn: conn}
	if u, ok := conn.(*net.UnixConn); ok {
		t.unix, t.oob = u, make([]byte, wire.RightsSize)
	}
	return t
}

// Rights reports whether the connection is a unix socket.
func (t *transport) Rights() bool { return t.unix != nil }

// Close ends the session.
func (t *transport) Close() error { return t.conn.Close() }

// Recv implements wire.Transport.
func (t *transport) Recv(p []byte) (int, []int, error) {
	if t.unix == nil {
		n, err := t.conn.Read(p)
		if n > 0 {
			err = nil
		}
		return n, nil, err
	}
	n, oobn, flags, _, err := t.unix.ReadMsgUnix(p, t.oob)
	fds, bad := wire.Rights(t.oob[:oobn], flags)
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

// Send implements wire.Transport.
func (t *transport) Send(p []byte, fds []int) error {
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
