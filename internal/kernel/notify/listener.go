//go:build linux

package notify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Listener receives the notifications of one filter. One goroutine calls Next;
// all other methods may be called concurrently.
type Listener struct {
	fd   int
	wake int // an eventfd that Close writes to

	mu     sync.RWMutex // held for reading around every use of the descriptors; guards below
	closed bool
}

// New takes over the descriptor that seccomp(2) returned. When the listener is
// closed, or its process dies, every call that waits or comes later fails with
// ENOSYS.
func New(fd int) (*Listener, error) {
	if _, err := sizes(); err != nil {
		unix.Close(fd)
		return nil, err
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen for notifications: %w", err)
	}
	unix.CloseOnExec(fd)
	return &Listener{fd: fd, wake: wake}, nil
}

// Next blocks until a call waits for an answer. It returns io.EOF when no
// process with the filter is left, and os.ErrClosed after Close.
func (l *Listener) Next() (Notification, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for {
		if l.closed {
			return Notification{}, os.ErrClosed
		}
		ready, err := l.poll()
		if err != nil || !ready {
			return Notification{}, err
		}
		n, err := Receive(l.fd)
		if errors.Is(err, ErrGone) {
			continue // killed between the two calls
		}
		return n, err
	}
}

// poll waits for a notification, for the end of the last process, or for
// Close.
func (l *Listener) poll() (ready bool, err error) {
	fds := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}, {Fd: int32(l.wake), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, -1)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return false, fmt.Errorf("wait for notifications: %w", err)
		case fds[1].Revents != 0:
			return false, os.ErrClosed
		case fds[0].Revents&unix.POLLIN != 0:
			return true, nil
		case fds[0].Revents != 0:
			return false, io.EOF
		}
	}
}

// Respond answers one call; see the function of the same name.
func (l *Listener) Respond(r Response) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return os.ErrClosed
	}
	return Respond(l.fd, r)
}

// Valid says whether a call is still waiting; see the function of the same
// name. After Close none is.
func (l *Listener) Valid(id uint64) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return !l.closed && Valid(l.fd, id)
}

// Close lets go of the listener and makes Next return. It may be called twice.
func (l *Listener) Close() error {
	l.interrupt()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	return errors.Join(unix.Close(l.fd), unix.Close(l.wake))
}

// interrupt makes Next let go of the mutex.
func (l *Listener) interrupt() {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if !l.closed {
		_, _ = unix.Write(l.wake, binary.NativeEndian.AppendUint64(nil, 1))
	}
}
