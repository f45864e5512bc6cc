//go:build linux

// Package landlock knows the kernel's Landlock: which rights each version
// has, how its structures look, and how to make a ruleset.
//
// Landlock is the wall that follows files instead of names: a process inside
// a ruleset may do with a file only what some rule allows for the file or one
// of its parents. A ruleset is built once and put on at each start.
//
// The facts are from landlock(7) and include/uapi/linux/landlock.h.
package landlock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// MaxABI is the newest version that this package knows. A newer kernel is
// used as if it had this one.
const MaxABI = 7

// ABI returns the version of the kernel's Landlock, at most MaxABI; 0 when the
// kernel has none or was started without it. An error means that the kernel
// gave an answer that nobody documented.
func ABI() (int, error) {
	n, err := createRuleset(nil, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch {
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EOPNOTSUPP):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("ask for the landlock version: %w", err)
	}
	return min(n, MaxABI), nil
}

// RulesetAttr says what a ruleset handles: whatever it handles is forbidden
// unless a rule allows it. It is struct landlock_ruleset_attr.
type RulesetAttr struct {
	FS     uint64 // rights on files
	Net    uint64 // rights on TCP ports (ABI 4)
	Scoped uint64 // what may not reach outside the domain (ABI 6)
}

// Handled is everything that a version can forbid, without the rights on TCP
// ports: those belong to sandboxes that share a network namespace (see
// HandledNet).
func Handled(abi int) RulesetAttr {
	return RulesetAttr{FS: HandledFS(abi), Scoped: Scopes(abi)}
}

// Bytes is the attribute as a kernel of the version takes it: the structure
// grew from 8 bytes (ABI 1) to 16 (ABI 4) to 24 (ABI 6).
func (a RulesetAttr) Bytes(abi int) []byte {
	b := binary.NativeEndian.AppendUint64(nil, a.FS)
	if abi >= 4 {
		b = binary.NativeEndian.AppendUint64(b, a.Net)
	}
	if abi >= 6 {
		b = binary.NativeEndian.AppendUint64(b, a.Scoped)
	}
	return b
}

// check refuses an attribute that asks for more than the version has, because
// Bytes would silently leave it out.
func (a RulesetAttr) check(abi int) error {
	if a.FS&^HandledFS(abi) != 0 || a.Net&^HandledNet(abi) != 0 || a.Scoped&^Scopes(abi) != 0 {
		return fault.Newf(fault.Unsupported, "landlock ABI %d does not have all of %+v", abi, a)
	}
	return nil
}

// PathBeneathAttr allows rights on a file, or on everything beneath a folder.
// It is the packed struct landlock_path_beneath_attr.
type PathBeneathAttr struct {
	Allowed  uint64
	ParentFD int32 // an O_PATH descriptor
}

// Bytes is the rule as the kernel takes it: 12 bytes, packed.
func (a PathBeneathAttr) Bytes() []byte {
	b := binary.NativeEndian.AppendUint64(nil, a.Allowed)
	return binary.NativeEndian.AppendUint32(b, uint32(a.ParentFD))
}

// CreateRuleset returns the descriptor (close-on-exec) of a new ruleset, which
// allows nothing of what it handles. It fails with fault.Unsupported when the
// kernel has no Landlock, or not all that is asked for.
func CreateRuleset(attr RulesetAttr) (int, error) {
	abi, err := ABI()
	if err != nil {
		return -1, err
	}
	if abi == 0 {
		return -1, fault.New(fault.Unsupported, "this kernel has no Landlock").
			WithHint("it needs Linux 5.13 or later, started with landlock in its lsm= list")
	}
	if err := attr.check(abi); err != nil {
		return -1, err
	}
	b := attr.Bytes(abi)
	fd, err := createRuleset(&b[0], len(b), 0)
	if err != nil {
		return -1, fmt.Errorf("create landlock ruleset: %w", err)
	}
	return fd, nil
}

// createRuleset is the system call.
func createRuleset(attr *byte, size int, flags uint) (int, error) {
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(attr)), uintptr(size), uintptr(flags))
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// AllowBeneath adds a rule: rights on what is at, and beneath, an O_PATH
// descriptor. On a file that is no folder, rights that only folders have are
// left out, because the kernel would refuse the rule.
func AllowBeneath(ruleset, parent int, rights uint64) error {
	var st unix.Stat_t
	if err := unix.Fstat(parent, &st); err != nil {
		return fmt.Errorf("add landlock rule: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= fileRights
	}
	b := PathBeneathAttr{Allowed: rights, ParentFD: int32(parent)}.Bytes()
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&b[0])), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("add landlock rule: %w", errno)
	}
	return nil
}

// RestrictSelf puts a ruleset on the calling thread, for good. The caller
// holds the thread and has set no_new_privs.
func RestrictSelf(ruleset int, flags uint32) error {
	_, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(ruleset), uintptr(flags), 0)
	if errno != 0 {
		return fmt.Errorf("put on landlock ruleset: %w", errno)
	}
	return nil
}
