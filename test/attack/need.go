//go:build linux

package attack

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// need is something that the host must have for an attack to work at all.
// Without it the row proves nothing and is left out by this name. The zero need
// is always there.
type need struct {
	name string
	has  func() bool
}

// met says whether the host has it.
func (n need) met() bool { return n.has == nil || n.has() }

// answersTo is a need for a system call that works for this user.
func answersTo(name string, nr uintptr, args ...uintptr) need {
	return need{name, func() bool {
		args := append(args, make([]uintptr, 6)...)
		r, _, errno := unix.Syscall6(nr, args[0], args[1], args[2], args[3], args[4], args[5])
		if errno == 0 && r > 2 {
			unix.Close(int(r))
		}
		return errno == 0
	}}
}

// offered is a need for a system call that the kernel was built with. The
// arguments are such that it fails.
func offered(name string, nr uintptr, args ...uintptr) need {
	return need{name, func() bool {
		args := append(args, make([]uintptr, 6)...)
		_, _, errno := unix.Syscall6(nr, args[0], args[1], args[2], args[3], args[4], args[5])
		return errno != unix.ENOSYS
	}}
}

// family is a need for a kind of socket.
func family(name string, domain, kind, protocol int) need {
	return need{name, func() bool {
		fd, err := unix.Socket(domain, kind, protocol)
		if err == nil {
			unix.Close(fd)
		}
		return err == nil
	}}
}

// setting is a need for a value in /proc/sys.
func setting(name, file, value string) need {
	return need{name, func() bool {
		b, err := os.ReadFile("/proc/sys/" + file)
		return err != nil || strings.TrimSpace(string(b)) == value
	}}
}

// exists is a need for a file of the host.
func exists(file string) need {
	return need{file, func() bool { _, err := os.Stat(file); return err == nil }}
}
