package main

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// childEvent is the eventfd that the handler of SIGCHLD writes to.
var childEvent int32

// childHandler returns the addresses of the handler and of its end; see
// children_linux_amd64.s.
func childHandler() (handler, restorer uintptr)

// sigaction is the kernel's struct.
type sigaction struct {
	handler, flags, restorer, mask uintptr
}

// The flags of the handler: on the signal stack, and calls go on after it.
const (
	saRestorer = 0x04000000
	saOnStack  = 0x08000000
	saRestart  = 0x10000000
)

// hearChildren returns a function that waits until a child may have ended.
//
// Go's own way would be a thread that waits in waitid, or os/signal's. Both
// are another thread that has to be woken and to take the processor from the
// one that reads requests; this interrupts the one that waits already.
func hearChildren() (func() error, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	childEvent = int32(fd)
	raw, err := os.NewFile(uintptr(fd), "children").SyscallConn()
	if err != nil {
		return nil, err
	}
	h, r := childHandler()
	act := sigaction{handler: h, flags: saRestorer | saOnStack | saRestart, restorer: r}
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGCHLD), uintptr(unsafe.Pointer(&act)), 0, 8, 0, 0)
	if errno != 0 {
		return nil, errno
	}
	var count [8]byte
	return func() error {
		return raw.Read(func(fd uintptr) bool {
			_, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&count)), 8)
			return errno == 0
		})
	}, nil
}
