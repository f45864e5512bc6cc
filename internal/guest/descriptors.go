//go:build linux

package guest

import (
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// Descriptors from a guest are taken for nothing but what they are expected to
// be: reading from one of another kind could hang, or act on something of the
// sandbox's choice.

// one is the only descriptor of a frame.
func one(fds []int) (int, error) {
	if len(fds) != 1 {
		wire.CloseAll(fds)
		return -1, breach("not one descriptor where one belongs")
	}
	return fds[0], nil
}

// The file system of terminals, and the device of a master: magic(7), devpts.
const (
	devptsMagic = 0x1cd1
	ptmxMajor   = 5
	ptmxMinor   = 2
)

// terminalFile takes a descriptor that must be a terminal's master.
func terminalFile(fd int) (*os.File, error) {
	var st unix.Stat_t
	var fs unix.Statfs_t
	err := unix.Fstat(fd, &st)
	if err == nil {
		err = unix.Fstatfs(fd, &fs)
	}
	master := st.Mode&unix.S_IFMT == unix.S_IFCHR && uint64(st.Rdev) == unix.Mkdev(ptmxMajor, ptmxMinor)
	if err != nil || !master || fs.Type != devptsMagic && !onDev(&fs) {
		_ = unix.Close(fd)
		return nil, breach("a descriptor that is no terminal")
	}
	if _, err := unix.IoctlGetInt(fd, unix.TIOCGPTN); err != nil {
		_ = unix.Close(fd)
		return nil, breach("a descriptor that is no terminal's master")
	}
	_ = unix.SetNonblock(fd, true)
	return os.NewFile(uintptr(fd), "terminal"), nil
}

// onDev says that the node of the terminals' device stands on an ordinary
// /dev: /dev/ptmx may be a node there instead of a link into devpts.
func onDev(fs *unix.Statfs_t) bool {
	return fs.Type == unix.TMPFS_MAGIC || fs.Type == unix.RAMFS_MAGIC
}

// connection takes a descriptor that must be a TCP connection to a loopback
// port.
func connection(fd int, port uint16) (*net.TCPConn, error) {
	if !connectedTo(fd, int(port)) {
		_ = unix.Close(fd)
		return nil, breach("a descriptor that is not the connection asked for")
	}
	_ = unix.SetNonblock(fd, true)
	f := os.NewFile(uintptr(fd), "connection")
	defer f.Close() // FileConn takes a copy
	c, err := net.FileConn(f)
	if err != nil {
		return nil, breach("a descriptor that is no connection")
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		_ = c.Close()
		return nil, breach("a descriptor that is no TCP connection")
	}
	return tcp, nil
}

func connectedTo(fd, port int) bool {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return false
	}
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || kind != unix.SOCK_STREAM {
		return false
	}
	peer, err := unix.Getpeername(fd)
	if err != nil {
		return false
	}
	switch a := peer.(type) {
	case *unix.SockaddrInet4:
		return a.Addr == [4]byte{127, 0, 0, 1} && a.Port == port
	case *unix.SockaddrInet6:
		return a.Addr == [16]byte{15: 1} && a.Port == port
	}
	return false
}
