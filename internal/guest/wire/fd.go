//go:build linux

package wire

import (
	"io"

	"golang.org/x/sys/unix"
)

// FD is a transport over a blocking descriptor, for the guest's end: one
// thread waits in the kernel, which is what an idle init is made of. A unix
// stream socket carries descriptors; anything else (a virtio port, a vsock)
// carries bytes.
type FD struct {
	fd     int
	rights bool
	oob    []byte
}

// NewFD returns a transport over fd, which it owns.
func NewFD(fd int) *FD {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	t := &FD{fd: fd, rights: err == nil && domain == unix.AF_UNIX}
	if t.rights {
		t.oob = make([]byte, RightsSize)
	}
	return t
}

// RightsSize is room for more descriptors than a frame may have, so that too
// many are seen and refused rather than cut off.
var RightsSize = unix.CmsgSpace(4 * (maxQueued + 1))

// Rights reports whether the descriptor is a unix socket.
func (t *FD) Rights() bool { return t.rights }

// Close wakes the reader and ends the session.
func (t *FD) Close() error {
	_ = unix.Shutdown(t.fd, unix.SHUT_RDWR)
	return unix.Close(t.fd)
}

// Recv implements Transport.
func (t *FD) Recv(p []byte) (int, []int, error) {
	for {
		n, fds, err := t.recv(p)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, fds, err
		case n == 0:
			return 0, fds, io.EOF
		}
		return n, fds, nil
	}
}

func (t *FD) recv(p []byte) (int, []int, error) {
	if !t.rights {
		n, err := unix.Read(t.fd, p)
		return max(n, 0), nil, err
	}
	n, oobn, flags, _, err := unix.Recvmsg(t.fd, p, t.oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return 0, nil, err
	}
	fds, err := Rights(t.oob[:oobn], flags)
	return n, fds, err
}

// Send implements Transport.
func (t *FD) Send(p []byte, fds []int) error {
	for len(p) > 0 {
		n, err := t.send(p, fds)
		switch err {
		case nil:
			p, fds = p[n:], nil
		case unix.EINTR:
		default:
			return err
		}
	}
	return nil
}

func (t *FD) send(p []byte, fds []int) (int, error) {
	if !t.rights {
		return unix.Write(t.fd, p)
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	return unix.SendmsgN(t.fd, p, oob, nil, unix.MSG_NOSIGNAL)
}

// Rights takes the descriptors out of control data. On any error all of them
// are closed.
func Rights(oob []byte, flags int) ([]int, error) {
	if len(oob) == 0 && flags&unix.MSG_CTRUNC == 0 {
		return nil, nil
	}
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, broken("control data: %v", err)
	}
	var all []int
	for i := range msgs {
		fds, err := unix.ParseUnixRights(&msgs[i])
		if err != nil {
			CloseAll(all)
			return nil, broken("control data: %v", err)
		}
		all = append(all, fds...)
	}
	if flags&unix.MSG_CTRUNC != 0 {
		CloseAll(all)
		return nil, broken("more descriptors than a frame may have")
	}
	return all, nil
}
