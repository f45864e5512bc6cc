//go:build linux

package seccomp

import (
	"slices"

	"golang.org/x/sys/unix"
)

// newNamespaces are the flags of clone that make namespaces. (CLONE_NEWTIME
// shares its bit with the exit signal, so clone cannot ask for it.)
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// cloneRules allow processes and threads, in the namespaces that are there.
func cloneRules() []Rule {
	return []Rule{
		when("clone", Errno(unix.EPERM), AnyOf(0, newNamespaces)),
		when("clone", Allow),
	}
}

// The terminal requests that type for, or take over, somebody else's terminal,
// and the file requests that change what a granted folder's files are: flags
// such as immutable, and the project that a disk quota is charged to. The
// kernel reads the request as 32 bits.
func terminalRules() []Rule {
	const tioclinux, tiocsetd, fsSetXattr = 0x541c, 0x5423, 0x401c5820
	return []Rule{
		when("ioctl", Errno(unix.EPERM), Is(1, unix.TIOCSTI)),
		when("ioctl", Errno(unix.EPERM), Is(1, tioclinux)),
		when("ioctl", Errno(unix.EPERM), Is(1, tiocsetd)),
		when("ioctl", Errno(unix.EPERM), Is(1, unix.FS_IOC_SETFLAGS)),
		when("ioctl", Errno(unix.EPERM), Is(1, fsSetXattr)),
		when("ioctl", Allow),
	}
}

// descriptorRules refuse a lease on a file: it lets a reader stall every
// writer of the host for /proc/sys/fs/lease-break-time.
func descriptorRules() []Rule {
	return []Rule{
		when("fcntl", Errno(unix.EPERM), Is(1, unix.F_SETLEASE)),
		when("fcntl", Allow),
	}
}

// Sockets by family, type and protocol. SCTP, MPTCP and SMC would go around
// Landlock's TCP rules; AF_ALG, AF_PACKET, AF_VSOCK and the rest are kernel
// code that no step needs.
const (
	typeMask  = low32 &^ (unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC)
	noSuchNet = unix.EAFNOSUPPORT
	noSuchTCP = unix.EPROTONOSUPPORT // Go and curl fall back to TCP on this answer for MPTCP
)

// allowedSockets is every combination that may be made.
var allowedSockets = []struct{ family, kind, protocol uint32 }{
	{unix.AF_UNIX, unix.SOCK_STREAM, 0},
	{unix.AF_UNIX, unix.SOCK_DGRAM, 0},
	{unix.AF_UNIX, unix.SOCK_SEQPACKET, 0},
	{unix.AF_INET, unix.SOCK_STREAM, 0},
	{unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_TCP},
	{unix.AF_INET, unix.SOCK_DGRAM, 0},
	{unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDP},
	{unix.AF_INET6, unix.SOCK_STREAM, 0},
	{unix.AF_INET6, unix.SOCK_STREAM, unix.IPPROTO_TCP},
	{unix.AF_INET6, unix.SOCK_DGRAM, 0},
	{unix.AF_INET6, unix.SOCK_DGRAM, unix.IPPROTO_UDP},
	{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE},
	{unix.AF_NETLINK, unix.SOCK_DGRAM, unix.NETLINK_ROUTE},
}

func socketRules() []Rule {
	var rules []Rule
	for _, s := range allowedSockets {
		conds := []Cond{Is(0, s.family), Masked(1, typeMask, s.kind), Is(2, s.protocol)}
		rules = append(rules, when("socket", Allow, conds...))
		if s.family == unix.AF_UNIX {
			rules = append(rules, when("socketpair", Allow, conds...))
		}
	}
	return append(rules,
		when("socket", Errno(unix.EPERM), Is(0, unix.AF_INET), Masked(1, typeMask, unix.SOCK_RAW)),
		when("socket", Errno(unix.EPERM), Is(0, unix.AF_INET6), Masked(1, typeMask, unix.SOCK_RAW)),
		when("socket", Errno(noSuchTCP), Is(0, unix.AF_INET)),
		when("socket", Errno(noSuchTCP), Is(0, unix.AF_INET6)),
		when("socket", Errno(noSuchTCP), Is(0, unix.AF_UNIX)),
		when("socket", Errno(noSuchTCP), Is(0, unix.AF_NETLINK)),
		when("socket", Errno(noSuchNet)),
		when("socketpair", Errno(noSuchNet)),
	)
}

// Where a call takes the mode of a file that it makes or changes.
var modeArguments = []struct {
	call string
	arg  int
}{
	{"chmod", 1},
	{"fchmod", 1},
	{"fchmodat", 2},
	{"fchmodat2", 2},
	{"mkdir", 1},
	{"mkdirat", 2},
	{"creat", 1},
	{"mknod", 1},
	{"mknodat", 2},
}

// setuidBits would let a file run as its owner (and its group) for whoever on
// the host starts it, long after the sandbox is gone.
const setuidBits = unix.S_ISUID | unix.S_ISGID

// setuidRules refuse to make files with those bits, in every call that can.
// Opening looks at the mode only when it makes a file.
func setuidRules() []Rule {
	var rules []Rule
	for _, m := range modeArguments {
		rules = append(rules, when(m.call, Errno(unix.EPERM), AnyOf(m.arg, setuidBits)))
		if m.call != "mknod" && m.call != "mknodat" { // deviceRules end those
			rules = append(rules, when(m.call, Allow))
		}
	}
	return append(rules,
		when("open", Errno(unix.EPERM), AnyOf(1, creates), AnyOf(2, setuidBits)),
		when("open", Allow),
		when("openat", Errno(unix.EPERM), AnyOf(2, creates), AnyOf(3, setuidBits)),
		when("openat", Allow),
	)
}

// creates are the flags with which opening makes a file. O_TMPFILE without
// the bit that it shares with O_DIRECTORY, which differs by architecture.
const creates = unix.O_CREAT | unix.O_TMPFILE&^unix.O_DIRECTORY

// deviceRules allow mknod for what is not a device.
func deviceRules() []Rule {
	var rules []Rule
	for _, kind := range []uint32{0, unix.S_IFREG, unix.S_IFIFO, unix.S_IFSOCK} {
		rules = append(rules,
			when("mknod", Allow, Masked(1, unix.S_IFMT, kind)),
			when("mknodat", Allow, Masked(2, unix.S_IFMT, kind)))
	}
	return append(rules,
		when("mknod", Errno(unix.EPERM)),
		when("mknodat", Errno(unix.EPERM)))
}

// personalityRules allow to ask (0xffffffff) and to be plain Linux (0). Others
// switch off address randomisation or make readable memory executable.
func personalityRules() []Rule {
	return []Rule{
		when("personality", Allow, Is(0, 0)),
		when("personality", Allow, Is(0, low32)),
		when("personality", Errno(unix.EPERM)),
	}
}

// prctlRules walk the table of options; an unknown one answers EINVAL, as from
// an older kernel.
func prctlRules() []Rule {
	var allowed, refused []Rule
	for _, o := range prctlOptions {
		rule := when("prctl", Errno(unix.EPERM), Is(0, o.option))
		if o.allowed {
			rule.Then = Allow
			allowed = append(allowed, rule)
			continue
		}
		refused = append(refused, rule)
	}
	return slices.Concat(allowed, refused, []Rule{when("prctl", Errno(unix.EINVAL))})
}
