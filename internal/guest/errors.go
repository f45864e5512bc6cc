//go:build linux

package guest

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// kinds says what the kernel's answers inside mean to whoever asked.
var kinds = map[syscall.Errno]fault.Kind{
	unix.ENOENT:       fault.NotFound,
	unix.ESRCH:        fault.NotFound,
	unix.EEXIST:       fault.Exists,
	unix.EACCES:       fault.Denied,
	unix.EPERM:        fault.Denied,
	unix.EROFS:        fault.Denied,
	unix.EXDEV:        fault.Denied, // Landlock's word for a rename between rules
	unix.ENOSPC:       fault.Exhausted,
	unix.EDQUOT:       fault.Exhausted,
	unix.EFBIG:        fault.Exhausted,
	unix.EMFILE:       fault.Exhausted,
	unix.ENFILE:       fault.Exhausted,
	unix.ENOMEM:       fault.Exhausted,
	unix.EAGAIN:       fault.Exhausted,
	unix.EINVAL:       fault.Invalid,
	unix.ENOTDIR:      fault.Invalid,
	unix.EISDIR:       fault.Invalid,
	unix.ENXIO:        fault.Invalid, // not a regular file
	unix.ELOOP:        fault.Invalid,
	unix.ENAMETOOLONG: fault.Invalid,
	unix.EBUSY:        fault.Conflict,
	unix.ENOTEMPTY:    fault.Conflict,
	unix.ETXTBSY:      fault.Conflict,
	unix.ECANCELED:    fault.Cancelled,
	unix.EBADMSG:      fault.Corrupt,
	unix.ENOSYS:       fault.Unsupported,
	unix.EOPNOTSUPP:   fault.Unsupported,
	unix.ECONNREFUSED: fault.Unavailable,
	unix.ETIMEDOUT:    fault.Unavailable,
	unix.EINPROGRESS:  fault.Unavailable, // a connect that took too long
}

// failed is the error that a guest reported. It is a number and a place, so
// its words are ours; errors.Is finds the errno, and fs.ErrNotExist with it.
func failed(m *wire.Fail) error {
	errno := syscall.Errno(m.Errno)
	kind, ok := kinds[errno]
	if !ok {
		kind = fault.Failed
	}
	return fault.Newf(kind, "%s: %w", m.Where, errno)
}

// doing wraps an error with what was asked for.
func doing(what, name string, err error) error {
	if err == nil {
		return nil
	}
	return fault.Newf(fault.KindOf(err), "%s %q: %w", what, name, err)
}
