package server

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// maxConnections is how many clients may be connected at once; others wait.
const maxConnections = 256

// listener accepts only connections of our own user from our own user
// namespace. The socket's mode says the same to other users; the namespace
// keeps out a sandbox that maps our uid and somehow reached the socket.
type listener struct {
	*net.UnixListener
	slots chan struct{} // one for each open connection
}

// NewListener guards a unix listener.
func NewListener(l *net.UnixListener) net.Listener {
	return &listener{UnixListener: l, slots: make(chan struct{}, maxConnections)}
}

// Accept waits for the next connection that may speak to us. Others are closed.
func (l *listener) Accept() (net.Conn, error) {
	for {
		l.slots <- struct{}{}
		c, err := l.AcceptUnix()
		if err != nil {
			<-l.slots
			return nil, err
		}
		if checkPeer(c) != nil {
			_ = c.Close()
			<-l.slots
			continue
		}
		return &conn{UnixConn: c, slots: l.slots}, nil
	}
}

// conn gives its slot back when it is closed.
type conn struct {
	*net.UnixConn
	slots chan struct{} // nil: given back
}

// Close closes the connection. net/http calls it once, but twice is harmless.
func (c *conn) Close() error {
	err := c.UnixConn.Close()
	if !errors.Is(err, net.ErrClosed) {
		<-c.slots
	}
	return err
}

// checkPeer says why the other end of a connection may not speak to us.
func checkPeer(c *net.UnixConn) error {
	cred, err := peer(c)
	if err != nil {
		return fmt.Errorf("peer: %w", err)
	}
	if cred.Uid != uint32(os.Geteuid()) {
		return fmt.Errorf("peer has uid %d, not %d", cred.Uid, os.Geteuid())
	}

	ours, err := os.Readlink("/proc/self/ns/user")
	if errors.Is(err, os.ErrNotExist) {
		return nil // a kernel without user namespaces
	}
	if err != nil {
		return fmt.Errorf("own user namespace: %w", err)
	}
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", cred.Pid))
	if err != nil {
		return fmt.Errorf("peer's user namespace: %w", err)
	}
	if theirs != ours {
		return errors.New("peer is in another user namespace")
	}
	return nil
}

// peer reads who opened the other end; see SO_PEERCRED in unix(7).
func peer(c *net.UnixConn) (*unix.Ucred, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}

	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return cred, errors.Join(err, credErr)
}
