//go:build linux

package inside

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// errOrder is the host's breach of the protocol: a frame that has no place
// here.
var errOrder = fault.New(fault.Corrupt, "guest protocol: a frame out of order")

// placed is an error at a place that the host can be told.
type placed struct {
	where wire.Where
	err   error
}

func (e *placed) Error() string { return e.where.String() + ": " + e.err.Error() }
func (e *placed) Unwrap() error { return e.err }

// at says where err happened; nil stays nil.
func at(where wire.Where, err error) error {
	if err == nil {
		return nil
	}
	return &placed{where, err}
}

// errnoOf stands for faults, which have no errno, on the wire.
var errnoOf = map[fault.Kind]syscall.Errno{
	fault.Invalid:   unix.EINVAL,
	fault.Denied:    unix.EACCES,
	fault.Exhausted: unix.EDQUOT,
	fault.Corrupt:   unix.EBADMSG,
	fault.Conflict:  unix.EBUSY,
}

// failure is what the host is told about err: a place and a number.
func failure(err error) *wire.Fail {
	var m wire.Fail
	var p *placed
	if errors.As(err, &p) {
		m.Where = p.where
	}
	errno := errnoOf[fault.KindOf(err)]
	_ = errors.As(err, &errno)
	if errno == 0 {
		errno = unix.EIO
	}
	m.Errno = uint16(errno)
	return &m
}
