//go:build linux

package trace

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// refusedByFilter answers a call as the sandbox's own table does.
func (c call) refusedByFilter(errno syscall.Errno) verdict {
	if errno == unix.ENOSYS {
		return verdict{errno: errno} // not offered; nothing was refused
	}
	return deny(errno, c.name, c.what(), c.s.Steps.Seccomp, "")
}

// describe says which arguments made the table refuse a call.
var describe = map[string]func(call) string{
	"socket":     call.socketKind,
	"socketpair": call.socketKind,
	"clone":      func(c call) string { return fmt.Sprintf("namespaces (flags %#x)", c.Args[0]) },
	"ioctl":      func(c call) string { return fmt.Sprintf("request %#x", uint32(c.Args[1])) },
	"fcntl":      func(c call) string { return fmt.Sprintf("command %d", c.int(1)) },
	"prctl":      func(c call) string { return fmt.Sprintf("option %d", c.int(0)) },
	"ptrace":     func(c call) string { return fmt.Sprintf("process %d", c.int(1)) },
	"chmod":      modeOf(1), "fchmod": modeOf(1), "fchmodat": modeOf(2), "fchmodat2": modeOf(2),
	"mkdir": modeOf(1), "mkdirat": modeOf(2), "creat": modeOf(1),
	"mknod": modeOf(1), "mknodat": modeOf(2), "open": modeOf(2), "openat": modeOf(3),
	"personality": func(c call) string { return fmt.Sprintf("%#x", uint32(c.Args[0])) },
}

// what is the object of a refusal by the table.
func (c call) what() string {
	if d, ok := describe[c.name]; ok {
		return d(c)
	}
	return "outside the profile " + c.s.Filter.Name
}

func (c call) socketKind() string {
	return fmt.Sprintf("family %d, type %d, protocol %d", c.int(0), c.int(1)&^(unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC), c.int(2))
}

// modeOf shows the mode at an argument.
func modeOf(arg int) func(call) string {
	return func(c call) string { return fmt.Sprintf("mode %#o", c.Args[arg]&0o177777) }
}
