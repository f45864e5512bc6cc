// Package jail is one ordered stack of confinements around one host process.
// A Spec says what the walls are; Program lays them out as the system calls
// that put them up, in the order in which the kernel must see them (see
// steps_linux.go, which tells the reason for each place).
package jail

import (
	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/spawn"
)

// Spec is the walls around one process. Paths inside are absolute; host paths
// are absolute and free of symbolic links.
type Spec struct {
	Hostname string
	UserNS   *spawn.IDMap // nil: the caller is root and the process becomes UID and GID
	UID, GID int          // of the process, as seen inside; never 0
	Joins    bool         // the tree was built before, as a template, and is given at the start: Binds has only what comes on top
	Joined   bool         // the private network namespace is given at the start; false: the child makes its own

	Binds    []Bind    // host folders and files shown inside
	Overlays []Overlay // host folders shown writable and never written
	Pins     []Pin     // places that stay where they are, parents first
	Devices  []string  // names in /dev
	Tmpfs    []Tmpfs   // scratch
	Dirs     []Dir     // empty folders
	Links    []Link    // symbolic links
	Files    []File    // files of our own making
	Masks    []string  // paths inside that are covered by /dev/null, if they exist
	ReadOnly []string  // paths inside that become read-only after all, if they exist
	Rules    []Rule    // Landlock: what may be done beneath each path
	Landlock *Landlock // nil: the host has none

	Seccomp []unix.SockFilter // nil: none (the host cannot)
	Rlimits []Rlimit
	Listen  bool // seccomp notifications go out through the trace socket

	Groups int      // cgroup v1 task files, given at the start
	Init   string   // path inside of the first process
	Args   []string // of the first process: see spawn.InitELF
	Env    []string
	Dir    string // working directory inside

	// Drop leaves walls out, by the names of the steps and the namespaces
	// ("pid namespace", …). It is for tests that show that an attack succeeds
	// without the wall: no policy reaches it.
	Drop []string
}

// Bind shows a host file or folder inside.
type Bind struct {
	Source  string
	Target  string
	Write   bool
	Folder  bool // else a single file
	Mapped  int  // 0: ids as they are; n: through the n-th id map given at the start
	Missing bool // may be missing on the host when the process starts
}

// Tmpfs is a scratch file system.
type Tmpfs struct {
	Target string
	Size   int64 // bytes
	Mode   uint32
}

// Dir is an empty folder.
type Dir struct {
	Path string
	Mode uint32
}

// Link is a symbolic link.
type Link struct{ Path, Target string }

// File is a file that Bulkhead itself writes.
type File struct {
	Path string
	Data []byte
	Mode uint32
}

// Rule allows some Landlock rights beneath a path.
type Rule struct {
	Path   string
	Access uint64
}

// Landlock is the ruleset's attributes: what it handles, in the layout of the
// host's ABI.
type Landlock struct {
	Attr  []byte
	Flags uint32 // of landlock_restrict_self
}

// Rlimit is one setrlimit(2), soft and hard alike.
type Rlimit struct {
	Resource int
	Name     string
	Value    uint64
}

// Params is the order of descriptors that a start of the program needs.
type Params struct {
	Stdin, Stdout, Stderr, Status int
	Groups                        []int // cgroup v1 task files
	Maps                          []int // user namespaces of id-mapped mounts
	Network                       int   // a network namespace; only with Joined
	Tree                          int   // a template's mount namespace; only with Joins
	Trace                         int   // socket for the notification descriptor; only with Listen
}

// List puts the descriptors into the program's order.
func (p Params) List(s *Spec) []int {
	fds := []int{p.Stdin, p.Stdout, p.Stderr, p.Status}
	fds = append(fds, p.Groups...)
	fds = append(fds, p.Maps...)
	if s.Joined {
		fds = append(fds, p.Network)
	}
	if s.Joins {
		fds = append(fds, p.Tree)
	}
	if s.Listen {
		fds = append(fds, p.Trace)
	}
	return fds
}
