package jail

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/spawn"
)

// A template is the part of the private root that is the same for every
// sandbox of one user, built once into a mount namespace of its own: system
// folders, devices, our own files, and empty places for the rest. A start
// copies the namespace and adds scratch, grants and its own /proc. That saves
// a third of the calls of a start, and the copy of the host's mounts.
//
// Copies share the template's file system, which is read-only, so that no
// sandbox sees what another one did.

// Template lays out the program that builds the template of s and sends its
// mount namespace out through a socket, the program's only parameter. Of s it
// uses the system's binds, files, links, devices and the places of scratch.
func (s *Spec) Template() *spawn.Program {
	b := &builder{Program: new(spawn.Program), spec: s}
	b.Flags = unix.CLONE_NEWNS
	socket := b.Param()
	b.fd = b.Slot(1)

	b.Step(StepRoot)
	b.sources()
	// struct cmsghdr {len, level|type<<32} and the descriptor, in three slots.
	c := b.Slot(3)
	b.Set(c, 20)
	b.Set(c+1, unix.SOL_SOCKET|unix.SCM_RIGHTS<<32)
	b.Call("open", openNR, openArgs("/proc/self/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, "O_RDONLY|O_CLOEXEC", 0)...).Into(c + 2)

	b.root()
	b.grants()
	b.devices()
	b.pivot()
	iov := spawn.Vector("", spawn.Str("m"), spawn.Int(1))
	msg := spawn.Vector("{SCM_RIGHTS}", spawn.Int(0), spawn.Int(0), iov, spawn.Int(1), c.Addr(""), spawn.Int(24), spawn.Int(0))
	b.Call("sendmsg", unix.SYS_SENDMSG, socket.Value(), msg, spawn.Int(0))
	b.Call("exit_group", unix.SYS_EXIT_GROUP, spawn.Int(0))
	return b.Program
}

// join copies the template and completes the copy. Grants are cut before,
// while the host's tree is still there.
func (b *builder) join() {
	b.Step(StepGrants)
	for _, bind := range b.spec.Binds {
		b.trees = append(b.trees, b.cut(bind, true))
	}
	b.Step(StepRoot)
	// A helper with threads shares its root and folder with them; setns(2)
	// refuses that.
	b.Call("unshare", unix.SYS_UNSHARE, spawn.Flag(unix.CLONE_FS, "CLONE_FS"))
	b.Call("setns", unix.SYS_SETNS, b.template.Value(), spawn.Flag(unix.CLONE_NEWNS, "CLONE_NEWNS"))
	b.Call("unshare", unix.SYS_UNSHARE, spawn.Flag(unix.CLONE_NEWNS, "CLONE_NEWNS"))
	b.scratch()
	b.grants()
	b.proc()
	b.Step(StepDev)
	b.pts()
}

// scratch mounts the sandbox's own file systems.
func (b *builder) scratch() {
	for _, t := range b.spec.Tmpfs {
		b.tmpfs(rel(t.Target), fmt.Sprintf("mode=%o,size=%d,nr_inodes=%d,uid=%d,gid=%d", t.Mode, t.Size, inodes(t.Size), b.spec.UID, b.spec.GID), unix.MS_NOSUID|unix.MS_NODEV, "MS_NOSUID|MS_NODEV")
	}
}

// inodes bounds how many files a scratch of so many bytes may hold: empty ones
// have no size, but each costs the kernel a KiB that no memory limit of an
// ordinary user's sandbox counts.
func inodes(size int64) int64 { return max(size>>11, 1<<10) }
