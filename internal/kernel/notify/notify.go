//go:build linux

// Package notify receives and answers the system calls that a seccomp filter
// hands to a supervisor; see seccomp_unotify(2).
//
// Everything that a notification points at belongs to the process that made
// the call, which may change it at any time. What is read there may be shown
// and may lead to a refusal; it must never be the reason to let something
// happen that the kernel's other walls would not stop.
package notify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrGone says that the process, or its call, is no longer there.
var ErrGone = errors.New("the notified call is gone")

// Notification is one call that waits for an answer: struct seccomp_notif.
type Notification struct {
	ID    uint64
	PID   int    // the thread that calls, in the reader's pid namespace; 0: not visible there
	Nr    uint32 // the call's number
	Arch  uint32 // AUDIT_ARCH_*
	IP    uint64
	Args  [6]uint64
	Flags uint32
}

// Response answers one call. The zero Errno with Continue false makes the call
// return Value.
type Response struct {
	ID       uint64
	Value    int64
	Errno    syscall.Errno // the call fails with it
	Continue bool          // the kernel goes on with the call and its other walls; Value and Errno must be zero
}

// The sizes of the structures as this package knows them.
const (
	notifSize = 80
	respSize  = 24
	dataSize  = 64
)

// sizes asks the kernel, once, how large its structures are. A newer kernel
// has larger ones, and writes that much.
var sizes = sync.OnceValues(func() (kernelSizes, error) {
	var s kernelSizes
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_NOTIF_SIZES, 0, uintptr(unsafe.Pointer(&s)))
	if errno != 0 {
		return s, fmt.Errorf("ask for notification sizes: %w", errno)
	}
	if s.Notif < notifSize || s.Resp < respSize || s.Data < dataSize {
		return s, fmt.Errorf("notification sizes %+v are smaller than ever published", s)
	}
	return s, nil
})

// kernelSizes is struct seccomp_notif_sizes.
type kernelSizes struct{ Notif, Resp, Data uint16 }

// Receive takes the next notification from a listener's descriptor. It blocks
// until there is one; Listener.Next waits for other things too. It returns
// ErrGone when the caller of the notified call was killed meanwhile.
func Receive(fd int) (Notification, error) {
	s, err := sizes()
	if err != nil {
		return Notification{}, err
	}
	for {
		b := make([]byte, s.Notif) // zeroed, as the kernel demands
		err := ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_RECV, b)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return Notification{}, wrap("receive notification", err)
		}
		return decode(b)
	}
}

// decode reads struct seccomp_notif: id, pid, flags, then struct seccomp_data.
func decode(b []byte) (Notification, error) {
	if len(b) < notifSize {
		return Notification{}, fmt.Errorf("notification of %d bytes", len(b))
	}
	order := binary.NativeEndian
	n := Notification{
		ID:    order.Uint64(b[0:]),
		PID:   int(order.Uint32(b[8:])),
		Flags: order.Uint32(b[12:]),
		Nr:    order.Uint32(b[16:]),
		Arch:  order.Uint32(b[20:]),
		IP:    order.Uint64(b[24:]),
	}
	for i := range n.Args {
		n.Args[i] = order.Uint64(b[32+8*i:])
	}
	return n, nil
}

// Respond answers a notification. It returns ErrGone when nobody waits for the
// answer any more.
func Respond(fd int, r Response) error {
	s, err := sizes()
	if err != nil {
		return err
	}
	b := make([]byte, s.Resp)
	r.encode(b)
	return wrap("answer notification", ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_SEND, b))
}

// encode writes struct seccomp_notif_resp: id, value, negative errno, flags.
func (r Response) encode(b []byte) {
	order := binary.NativeEndian
	order.PutUint64(b[0:], r.ID)
	order.PutUint64(b[8:], uint64(r.Value))
	order.PutUint32(b[16:], uint32(-int32(r.Errno)))
	if r.Continue {
		order.PutUint32(b[20:], unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE)
	}
}

// Valid says whether the call is still waiting, and so whether what was just
// read through its process id was really its process.
func Valid(fd int, id uint64) bool {
	return ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_ID_VALID, binary.NativeEndian.AppendUint64(nil, id)) == nil
}

// ioctl passes a structure to the listener.
func ioctl(fd int, request uint, b []byte) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(unsafe.Pointer(&b[0])))
	if errno != 0 {
		return errno
	}
	return nil
}

// wrap tells "gone" from other errors.
func wrap(where string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ESRCH):
		return ErrGone
	}
	return fmt.Errorf("%s: %w", where, err)
}
