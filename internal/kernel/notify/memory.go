//go:build linux

package notify

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrTooLong says that a string has no end within the bound.
var ErrTooLong = errors.New("string without an end")

// ReadMemory reads size bytes, at least 1, of another process at an address,
// all or none.
// The caller asks Valid afterwards whether it was the right process.
func ReadMemory(pid int, addr uint64, size int) ([]byte, error) {
	b := make([]byte, size)
	n, err := readSome(pid, addr, b)
	if err != nil {
		return nil, err
	}
	if n < size {
		return nil, fmt.Errorf("read memory of process %d: %w", pid, unix.EFAULT)
	}
	return b, nil
}

// ReadString reads a string of another process up to its zero byte, which must
// come within limit bytes, or the error is ErrTooLong. It never reads over the
// end of a page before it knows that the string goes on.
func ReadString(pid int, addr uint64, limit int) (string, error) {
	page := uint64(os.Getpagesize())
	var s []byte
	for len(s) < limit {
		size := min(page-addr%page, uint64(limit-len(s)))
		b := make([]byte, size)
		n, err := readSome(pid, addr, b)
		if err != nil {
			return "", err
		}
		if end := bytes.IndexByte(b[:n], 0); end >= 0 {
			return string(append(s, b[:end]...)), nil
		}
		if n == 0 {
			return "", fmt.Errorf("read memory of process %d: %w", pid, unix.EFAULT)
		}
		s = append(s, b[:n]...)
		addr += uint64(n)
	}
	return "", ErrTooLong
}

// readSome reads what is there, up to the length of b.
func readSome(pid int, addr uint64, b []byte) (int, error) {
	if pid <= 0 || len(b) == 0 || addr+uint64(len(b)) < addr {
		return 0, fmt.Errorf("read memory of process %d: %w", pid, unix.EFAULT)
	}
	local := []unix.Iovec{{Base: &b[0]}}
	local[0].SetLen(len(b))
	remote := []unix.RemoteIovec{{Base: uintptr(addr), Len: len(b)}}
	n, err := unix.ProcessVMReadv(pid, local, remote, 0)
	if errors.Is(err, unix.ESRCH) {
		return 0, ErrGone
	}
	if err != nil {
		return 0, fmt.Errorf("read memory of process %d: %w", pid, err)
	}
	return n, nil
}
