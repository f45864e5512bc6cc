//go:build linux

package attack

import "golang.org/x/sys/unix"

// older are the calls that take a mode and that newer architectures lack.
func older(name func(string) string, mode uint32) []call {
	return []call{
		sys(unix.SYS_CREAT, name("creat"), mode),
		sys(unix.SYS_CHMOD, name("chmod"), mode),
		sys(unix.SYS_OPEN, name("open"), unix.O_WRONLY|unix.O_CREAT, mode),
		sys(unix.SYS_MKNOD, name("mknod"), unix.S_IFREG|mode, 0),
	}
}
