//go:build linux

package wire

import (
	"io"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// FD is a transport over a descriptor, for the guest's end. A unix stream
// socket carries descriptors; anything else that can be polled (a virtio port,
// a vsock) carries bytes.
//
// It waits in the runtime's poller and makes its calls without telling the
// scheduler. So an init that is woken runs on the one thread that waited, and
// does not wake the runtime's monitor, which would poll for milliseconds beside
// the command that is being started.
type FD struct {
	f      *os.File
	raw    syscall.RawConn
	rights bool

	in, out message
}

// message is the arguments of a recvmsg or sendmsg. They are not on a stack,
// which could move.
type message struct {
	hdr unix.Msghdr
	iov unix.Iovec
	oob []byte
}

// NewFD returns a transport over fd, which it owns.
func NewFD(fd int) (*FD, error) {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	t := &FD{rights: err == nil && domain == unix.AF_UNIX}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	t.f = os.NewFile(uintptr(fd), "channel")
	if t.raw, err = t.f.SyscallConn(); err != nil {
		return nil, err
	}
	if t.rights {
		t.in.oob = make([]byte, RightsSize)
	}
	return t, nil
}

// RightsSize is room for more descriptors than a frame may have, so that too
// many are seen and refused rather than cut off.
var RightsSize = unix.CmsgSpace(4 * (maxQueued + 1))

// Rights reports whether the descriptor is a unix socket.
func (t *FD) Rights() bool { return t.rights }

// Close wakes the reader and ends the session.
func (t *FD) Close() error { return t.f.Close() }

// Recv implements Transport.
func (t *FD) Recv(p []byte) (n int, fds []int, err error) {
	wait := t.raw.Read(func(fd uintptr) bool {
		n, err = t.recv(fd, p)
		return err != unix.EAGAIN
	})
	switch {
	case wait != nil:
		return 0, nil, wait
	case err != nil:
		return 0, nil, err
	}
	if t.rights {
		fds, err = Rights(t.in.oob[:t.in.hdr.Controllen], int(t.in.hdr.Flags))
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, fds, err
}

func (t *FD) recv(fd uintptr, p []byte) (int, error) {
	if !t.rights {
		return uninterrupted(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	}
	m := &t.in
	m.set(p, m.oob)
	return uninterrupted(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&m.hdr)), unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
}

// Send implements Transport.
func (t *FD) Send(p []byte, fds []int) error {
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	var err error
	wait := t.raw.Write(func(fd uintptr) bool {
		for len(p) > 0 {
			var n int
			if n, err = t.send(fd, p, oob); err != nil {
				return err != unix.EAGAIN
			}
			p, oob = p[n:], nil
		}
		return true
	})
	if wait != nil {
		return wait
	}
	return err
}

func (t *FD) send(fd uintptr, p, oob []byte) (int, error) {
	if !t.rights {
		return uninterrupted(unix.SYS_WRITE, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	}
	m := &t.out
	m.set(p, oob)
	return uninterrupted(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&m.hdr)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
}

func (m *message) set(p, oob []byte) {
	m.iov.Base = &p[0]
	m.iov.SetLen(len(p))
	m.hdr = unix.Msghdr{Iov: &m.iov}
	m.hdr.SetIovlen(1)
	if len(oob) > 0 {
		m.hdr.Control = &oob[0]
		m.hdr.SetControllen(len(oob))
	}
}

// uninterrupted makes a call that never waits, again while a signal stops it.
func uninterrupted(nr, a, b, c uintptr) (int, error) {
	for {
		n, _, errno := unix.RawSyscall(nr, a, b, c)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}
