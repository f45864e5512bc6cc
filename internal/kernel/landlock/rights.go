//go:build linux

package landlock

import "golang.org/x/sys/unix"

// The rights on files, and the ABI that brought each.
const (
	Execute    = unix.LANDLOCK_ACCESS_FS_EXECUTE     // ABI 1 (Linux 5.13)
	WriteFile  = unix.LANDLOCK_ACCESS_FS_WRITE_FILE  // ABI 1
	ReadFile   = unix.LANDLOCK_ACCESS_FS_READ_FILE   // ABI 1
	ReadDir    = unix.LANDLOCK_ACCESS_FS_READ_DIR    // ABI 1
	RemoveDir  = unix.LANDLOCK_ACCESS_FS_REMOVE_DIR  // ABI 1
	RemoveFile = unix.LANDLOCK_ACCESS_FS_REMOVE_FILE // ABI 1
	MakeChar   = unix.LANDLOCK_ACCESS_FS_MAKE_CHAR   // ABI 1
	MakeDir    = unix.LANDLOCK_ACCESS_FS_MAKE_DIR    // ABI 1
	MakeReg    = unix.LANDLOCK_ACCESS_FS_MAKE_REG    // ABI 1
	MakeSock   = unix.LANDLOCK_ACCESS_FS_MAKE_SOCK   // ABI 1
	MakeFIFO   = unix.LANDLOCK_ACCESS_FS_MAKE_FIFO   // ABI 1
	MakeBlock  = unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK  // ABI 1
	MakeSym    = unix.LANDLOCK_ACCESS_FS_MAKE_SYM    // ABI 1
	Refer      = unix.LANDLOCK_ACCESS_FS_REFER       // ABI 2 (Linux 5.19): link and rename across folders
	Truncate   = unix.LANDLOCK_ACCESS_FS_TRUNCATE    // ABI 3 (Linux 6.2)
	IoctlDev   = unix.LANDLOCK_ACCESS_FS_IOCTL_DEV   // ABI 5 (Linux 6.10): ioctl on devices
)

// The rights on TCP ports.
const (
	BindTCP    = unix.LANDLOCK_ACCESS_NET_BIND_TCP    // ABI 4 (Linux 6.7)
	ConnectTCP = unix.LANDLOCK_ACCESS_NET_CONNECT_TCP // ABI 4
)

// What a domain can keep its processes from reaching outside of it.
const (
	ScopeAbstractUnix = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET // ABI 6 (Linux 6.12)
	ScopeSignal       = unix.LANDLOCK_SCOPE_SIGNAL               // ABI 6
)

// How a domain's refusals are logged, when the host's audit is on.
const (
	LogSameExecOff   = unix.LANDLOCK_RESTRICT_SELF_LOG_SAME_EXEC_OFF  // ABI 7 (Linux 6.15)
	LogNewExecOn     = unix.LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON    // ABI 7
	LogSubdomainsOff = unix.LANDLOCK_RESTRICT_SELF_LOG_SUBDOMAINS_OFF // ABI 7
)

// since is a set of flags and the first version that has it.
type since struct {
	abi  int
	bits uint64
}

// upTo joins the sets that a version has.
func upTo(abi int, sets []since) uint64 {
	var all uint64
	for _, s := range sets {
		if s.abi <= abi {
			all |= s.bits
		}
	}
	return all
}

// The tables: what each version added.
var (
	fsRights = []since{
		{1, Execute | WriteFile | ReadFile | ReadDir | RemoveDir | RemoveFile |
			MakeChar | MakeDir | MakeReg | MakeSock | MakeFIFO | MakeBlock | MakeSym},
		{2, Refer},
		{3, Truncate},
		{5, IoctlDev},
	}
	netRights = []since{{4, BindTCP | ConnectTCP}}
	scopes    = []since{{6, ScopeAbstractUnix | ScopeSignal}}
	logFlags  = []since{{7, LogNewExecOn}}
)

// fileRights are the rights that mean something on a file that is no folder.
const fileRights = Execute | WriteFile | ReadFile | Truncate | IoctlDev

// HandledFS is every right on files that a version can forbid; 0 for ABI 0.
func HandledFS(abi int) uint64 { return upTo(abi, fsRights) }

// HandledNet is every right on TCP ports that a version can forbid. In a
// network namespace of its own a sandbox does not need them.
func HandledNet(abi int) uint64 { return upTo(abi, netRights) }

// Scopes is every scope that a version has.
func Scopes(abi int) uint64 { return upTo(abi, scopes) }

// RestrictFlags are the flags with which a ruleset is put on before a program
// is executed: refusals of that program are logged.
func RestrictFlags(abi int) uint32 { return uint32(upTo(abi, logFlags)) }

// Read allows to read files and list folders.
func Read() uint64 { return ReadFile | ReadDir }

// ReadExec is Read and to run programs. It is the same in every version that
// exists; 0 for ABI 0.
func ReadExec(abi int) uint64 { return HandledFS(abi) & (Read() | Execute) }

// ReadWrite is ReadExec and to make, change, move and remove files, but never
// to make device nodes or to talk to devices.
func ReadWrite(abi int) uint64 {
	return HandledFS(abi) &^ (MakeChar | MakeBlock | IoctlDev)
}

// Device allows to use a device node: to read, to write and its ioctls.
func Device(abi int) uint64 {
	return HandledFS(abi) & (ReadFile | WriteFile | IoctlDev)
}

// Support is what the running kernel offers.
type Support struct {
	ABI    int    // 0: none
	Detail string // why there is none, or what the version lacks; empty when all is there
}

// Probe asks the kernel. It changes nothing.
func Probe() Support {
	abi, err := ABI()
	if err != nil {
		return Support{Detail: err.Error()}
	}
	for _, lack := range []struct {
		below int
		text  string
	}{
		{1, "the kernel has no Landlock, or was started without it (lsm=)"},
		{2, "no moves between folders; no truncate, device or scope rights"},
		{3, "no right to truncate; no device or scope rights"},
		{5, "no right for devices; no scopes"},
		{6, "no scopes for abstract sockets and signals"},
		{7, "no logging flags"},
	} {
		if abi < lack.below {
			return Support{ABI: abi, Detail: lack.text}
		}
	}
	return Support{ABI: abi}
}
