//go:build linux

package inside

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/guest/flow"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// openPTY makes a terminal: pts(4).
func openPTY(rows, cols uint16) (master, slave int, err error) {
	master, err = unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, -1, err
	}
	slave, err = openSlave(master)
	if err != nil {
		_ = unix.Close(master)
		return -1, -1, err
	}
	if rows > 0 || cols > 0 {
		err = setSize(master, rows, cols)
	}
	return master, slave, err
}

// openSlave opens the other end through the master, not by a name that the
// sandbox could have put something else under.
func openSlave(master int) (int, error) {
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return -1, err
	}
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

func setSize(fd int, rows, cols uint16) error {
	return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
}

// The streams of a framed terminal.
const (
	ptyInput  = 0
	ptyOutput = 1
)

// frameTerminal pumps a terminal that cannot travel, and keeps it for
// resizing.
func (o *op) frameTerminal(master int) error {
	_ = unix.SetNonblock(master, true)
	f := os.NewFile(uintptr(master), "terminal")
	r, err := o.s.mux.Reader(flow.Key{ID: o.id, Index: ptyInput})
	if err != nil {
		_ = f.Close()
		return at(wire.WhereStream, err)
	}
	w, err := o.s.mux.Writer(flow.Key{ID: o.id, Index: ptyOutput}, func() { _ = f.Close() })
	if err != nil {
		_ = r.Close()
		_ = f.Close()
		return at(wire.WhereStream, err)
	}
	o.paid(ptyOutput)
	o.s.pump(stayOpen{f}, r)
	o.s.pump(w, f)
	o.mu.Lock()
	o.terminal = f
	o.mu.Unlock()
	return nil
}

// stayOpen leaves the terminal open when the host has no more input.
type stayOpen struct{ *os.File }

func (stayOpen) Close() error { return nil }

// resize changes a framed terminal. One that travelled as a descriptor is
// resized by the host itself.
func resize(o *op, m *wire.Resize) (wire.Message, error) {
	target := o.s.find(m.Exec)
	if target == nil {
		return nil, at(wire.WhereEnded, unix.ESRCH)
	}
	target.mu.Lock()
	f := target.terminal
	target.mu.Unlock()
	if f == nil {
		return nil, at(wire.WhereTerminal, unix.ENOTTY)
	}
	raw, err := f.SyscallConn()
	if err == nil {
		e := raw.Control(func(fd uintptr) { err = setSize(int(fd), m.Rows, m.Cols) })
		if e != nil {
			err = unix.EBADF
		}
	}
	return &wire.Empty{}, at(wire.WhereTerminal, err)
}
