//go:build linux

package trace

import (
	"fmt"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/kernel/notify"
)

// root is the sandbox's root folder. No process inside can have another: the
// filter refuses chroot, pivot_root and namespaces.
type root struct {
	mu sync.Mutex // guards below
	fd int        // 0: not open yet; descriptor 0 is never a folder of ours
}

// open returns the descriptor of the root, from the process of a call.
func (r *root) open(c call) (int, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fd > 0 {
		return r.fd, true
	}
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/root", c.PID), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, false
	}
	if !c.s.listener.Valid(c.ID) { // then it may have been another process's
		unix.Close(fd)
		return 0, false
	}
	r.fd = fd
	return fd, true
}

func (r *root) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fd > 0 {
		unix.Close(r.fd)
		r.fd = 0
	}
}

// maxPath is the longest path that the kernel takes, with its zero byte.
const maxPath = 4096

// path reads a path argument and makes it absolute, inside. It is not cleaned:
// what ".." means depends on links on the way. false means that it cannot be
// told, and the kernel shall see for itself.
func (c call) path(dirArg, pathArg int) (string, bool) {
	name, err := notify.ReadString(c.PID, c.Args[pathArg], maxPath)
	if err != nil || name == "" {
		return "", false
	}
	if !strings.HasPrefix(name, "/") {
		base, ok := c.base(dirArg)
		if !ok {
			return "", false
		}
		name = base + "/" + name
	}
	return name, c.s.listener.Valid(c.ID)
}

// base is where a relative path of the call starts, inside.
func (c call) base(dirArg int) (string, bool) {
	link := fmt.Sprintf("/proc/%d/cwd", c.PID)
	if dirArg != cwd && c.int(dirArg) != unix.AT_FDCWD {
		link = fmt.Sprintf("/proc/%d/fd/%d", c.PID, c.int(dirArg))
	}
	base, err := os.Readlink(link)
	return base, err == nil && strings.HasPrefix(base, "/") && !strings.HasSuffix(base, " (deleted)")
}

// file is what stands at a path inside.
type file struct {
	there    bool // it exists
	missing  bool // it does not; neither: cannot be told
	kind     uint32
	readOnly bool // the mount that it is on
}

// look finds a path beneath the sandbox's root, following links there as the
// sandbox would. The supervisor's own root is never touched.
func (c call) look(name string, nofollow bool) file {
	fd, ok := c.s.root.open(c)
	if !ok {
		return file{}
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	if nofollow {
		how.Flags |= unix.O_NOFOLLOW
	}
	at, err := unix.Openat2(fd, strings.TrimLeft(name, "/")+dot(name), &how)
	if err == syscall.ENOENT {
		return file{missing: true}
	}
	if err != nil {
		return file{} // links of /proc, races, permissions
	}
	defer unix.Close(at)
	var st unix.Stat_t
	var fs unix.Statfs_t
	if unix.Fstat(at, &st) != nil || unix.Fstatfs(at, &fs) != nil {
		return file{}
	}
	return file{there: true, kind: st.Mode & unix.S_IFMT, readOnly: fs.Flags&unix.ST_RDONLY != 0}
}

// plain says whether a missing path is missing for the sandbox too. A link that
// seems to lead nowhere may only do so for the supervisor: /proc/self, and all
// that leads through it, means who looks.
func (c call) plain(name string) bool {
	for i := range len(name) {
		if i+1 < len(name) && name[i+1] != '/' {
			continue
		}
		if prefix := name[:i+1]; c.look(prefix, false).missing {
			return c.look(prefix, true).missing
		}
	}
	return false
}

// dot names the root itself, whose name would be empty.
func dot(name string) string {
	if strings.Trim(name, "/") == "" {
		return "."
	}
	return ""
}

// parent is the folder in which a path's last name stands, uncleaned.
func parent(name string) string {
	name = strings.TrimRight(name, "/")
	return "/" + strings.Trim(name[:strings.LastIndexByte(name, '/')+1], "/")
}

// own says whether a path is in a folder of the sandbox's own.
func (s *Supervisor) own(name string) bool {
	for _, dir := range s.Own {
		if beneath(name, dir) {
			return true
		}
	}
	return false
}

// beneath says whether a clean path is a folder or in it.
func beneath(name, dir string) bool {
	dir = path.Clean(dir)
	return name == dir || dir == "/" || strings.HasPrefix(name, dir+"/")
}

// onHost says whether the host has something at the path. Only the name is
// looked up: no link at the end is followed and nothing is mounted.
func onHost(name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(unix.AT_FDCWD, name, &st, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT) == nil
}
