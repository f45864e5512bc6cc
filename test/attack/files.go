//go:build linux

package attack

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/jail"
)

const at = unix.AT_FDCWD

// open is the call that opens a path.
func open(name any, flags int) call { return sys(unix.SYS_OPENAT, at, name, flags, 0o666) }

// readOf reads what an earlier call opened.
func readOf(n int) call { return sys(unix.SYS_READ, ref(n), buf(200), 200) }

// writeTo writes to what an earlier call opened.
func writeTo(n int) call { return sys(unix.SYS_WRITE, ref(n), "overwritten", 11) }

// stealing reads files by some names; the host's secret must not be in them.
func stealing(names func(*cell) []string) func(*cell) verdict {
	return func(c *cell) verdict {
		var list []call
		for _, name := range names(c) {
			list = append(list, open(name, unix.O_RDONLY), readOf(len(list)))
		}
		c.calls(list...)
		return c.leaked()
	}
}

// both walls stand around files: what is not granted is not there, and if it
// were, Landlock would refuse it.
var aroundFiles = []string{tree, landlock}

func fileRows() []row {
	return []row{
		{
			id: "F01", attack: "overwrite a file outside the granted folders", success: "the host's file changed",
			walls: aroundFiles,
			try: func(c *cell) verdict {
				c.calls(open(c.hidden+"/target", unix.O_WRONLY|unix.O_TRUNC), writeTo(0))
				return c.changed(c.hidden+"/target", "untouched")
			},
		},
		{
			id: "F01", attack: "make a file outside the granted folders", success: "the host has the file",
			walls: aroundFiles,
			try: func(c *cell) verdict {
				c.calls(open(c.hidden+"/new", unix.O_WRONLY|unix.O_CREAT), writeTo(0))
				return c.changed(c.hidden+"/new", "")
			},
		},
		{
			id: "F01", attack: "overwrite a file that may only be read", success: "the host's file changed",
			walls: aroundFiles,
			try: func(c *cell) verdict {
				c.calls(open(c.shown+"/file", unix.O_WRONLY|unix.O_TRUNC), writeTo(0))
				return c.changed(c.shown+"/file", "shown")
			},
		},
		{
			id: "F02", attack: "read a file that was not granted", success: "the victim has the secret",
			walls: aroundFiles,
			try:   stealing(func(c *cell) []string { return []string{c.hidden + "/secret"} }),
		},
		{
			id: "F02", attack: "learn that a file exists and how long it is", success: "stat answers",
			walls: []string{tree}, // Landlock does not look at stat
			try: func(c *cell) verdict {
				return c.all(sys(unix.SYS_NEWFSTATAT, at, c.hidden+"/secret", buf(144), 0))
			},
		},
		{
			id: "F03", attack: "read through a symbolic link made inside", success: "the victim has the secret",
			walls: aroundFiles,
			try: func(c *cell) verdict {
				link := c.writable + "/link"
				c.calls(sys(unix.SYS_SYMLINKAT, c.hidden+"/secret", at, link), open(link, unix.O_RDONLY), readOf(1))
				return c.leaked()
			},
		},
		{
			id: "F04", attack: "write through a symbolic link made inside", success: "the host's file changed",
			walls: aroundFiles,
			try: func(c *cell) verdict {
				link := c.writable + "/link"
				c.calls(sys(unix.SYS_SYMLINKAT, c.hidden+"/target", at, link), open(link, unix.O_WRONLY), writeTo(1))
				return c.changed(c.hidden+"/target", "untouched")
			},
		},
		{
			id: "F08", attack: "link a read-only file into a writable folder and write to it there", success: "the host's file changed",
			walls: aroundFiles,
			try: func(c *cell) verdict {
				link := c.writable + "/link"
				c.calls(sys(unix.SYS_LINKAT, at, c.shown+"/file", at, link, 0), open(link, unix.O_WRONLY), writeTo(1))
				return c.changed(c.shown+"/file", "shown")
			},
		},
		{
			id: "F09", attack: "swap a granted folder for a symbolic link between plan and start", success: "the victim has the secret",
			bare: true, why: "the grants step that refuses the link is part of the private root",
			try: swapped,
		},
		{
			id: "F10", attack: "go around by /proc/self/root, /proc/1/root, cwd and dots", success: "the victim has the secret",
			walls: aroundFiles,
			try: stealing(func(c *cell) []string {
				return []string{
					"/proc/self/root" + c.hidden + "/secret",
					"/proc/1/root" + c.hidden + "/secret",
					"/proc/self/cwd/../.." + c.hidden + "/secret",
					"/proc/thread-self/root" + c.hidden + "/secret",
					c.shown + "/../hidden/secret",
				}
			}),
		},
		{
			id: "F11", attack: "read an open file of the host by an inherited descriptor", success: "the victim has the secret",
			walls: []string{jail.StepFiles},
			try: func(c *cell) verdict {
				fd := c.leak(c.hidden + "/secret")
				c.calls(sys(unix.SYS_READ, fd, buf(200), 200))
				return c.leaked()
			},
		},
		{
			id: "F11", attack: "open a file of the host beneath an inherited folder", success: "the victim has the secret",
			walls: []string{jail.StepFiles, landlock},
			try: func(c *cell) verdict {
				fd := c.leak(c.hidden)
				c.calls(sys(unix.SYS_OPENAT, fd, "secret", unix.O_RDONLY, 0), readOf(0))
				return c.leaked()
			},
		},
		{
			id: "F12", attack: "start in a folder of the host by /proc/self/fd/N as working directory", success: "stat answers beneath it",
			bare: true, why: "the step that enters the working directory follows no such link; without it there is no command",
			try: func(c *cell) verdict { return c.startIn(fmt.Sprintf("/proc/self/fd/%d", c.leak(c.hidden))) },
		},
		{
			id: "F12", attack: "the same, behind a symbolic link left in the work folder", success: "stat answers beneath it",
			bare: true, why: "as above",
			try: func(c *cell) verdict {
				link := c.writable + "/link"
				c.must(os.Symlink(fmt.Sprintf("/proc/self/fd/%d", c.leak(c.hidden)), link))
				return c.startIn(link)
			},
		},
		{
			id: "F19", attack: "remount a read-only grant for writing", success: "the host's file changed",
			walls: []string{filter, landlock}, root: []string{userID, caps},
			only: "root", why: "in a user namespace the kernel locks the read-only flag itself",
			try: func(c *cell) verdict {
				const remount = unix.MS_REMOUNT | unix.MS_BIND | unix.MS_NOSUID | unix.MS_NODEV
				c.calls(sys(unix.SYS_MOUNT, 0, c.shown, 0, remount, 0), open(c.shown+"/file", unix.O_WRONLY|unix.O_TRUNC), writeTo(1))
				return c.changed(c.shown+"/file", "shown")
			},
		},
		{
			id: "F20", attack: "mount something in a namespace of one's own", success: "mount answers 0",
			walls: []string{filter, landlock},
			try: func(c *cell) verdict {
				return told2(c.inside(unix.CLONE_NEWUSER|unix.CLONE_NEWNS, sys(unix.SYS_MOUNT, "none", "/tmp", "tmpfs", 0, 0)), 1)
			},
		},
		{
			id: "F20", attack: "the same by fsopen, fsmount and move_mount", success: "move_mount answers 0",
			walls: []string{filter, landlock},
			try: func(c *cell) verdict {
				const create = 6 // FSCONFIG_CMD_CREATE
				return told2(c.inside(unix.CLONE_NEWUSER|unix.CLONE_NEWNS,
					sys(unix.SYS_FSOPEN, "tmpfs", 0),
					sys(unix.SYS_FSCONFIG, ref(0), create, 0, 0, 0),
					sys(unix.SYS_FSMOUNT, ref(0), 0, 0),
					sys(unix.SYS_MOVE_MOUNT, ref(2), "", at, "/tmp", unix.MOVE_MOUNT_F_EMPTY_PATH),
				), 4)
			},
		},
		{
			id: "F20", attack: "clone a mount without its attributes by open_tree", success: "open_tree answers a descriptor",
			walls: []string{filter},
			try: func(c *cell) verdict {
				return told2(c.inside(unix.CLONE_NEWUSER|unix.CLONE_NEWNS, sys(unix.SYS_OPEN_TREE, at, "/tmp", unix.OPEN_TREE_CLONE)), 1)
			},
		},
		{
			id: "F21", attack: "unmount what covers a file of /proc", success: "umount answers 0",
			walls: []string{filter, landlock}, root: []string{userID, caps},
			only: "root", why: "in a user namespace the kernel locks the covering mount itself",
			try: all(sys(unix.SYS_UMOUNT2, "/proc/kallsyms", unix.MNT_DETACH)),
		},
		{
			id: "F22", attack: "change the root once more", success: "chroot answers 0",
			walls: []string{filter},
			try: func(c *cell) verdict {
				return told2(c.inside(unix.CLONE_NEWUSER, sys(unix.SYS_CHROOT, "/tmp")), 1)
			},
		},
		{
			id: "F23", attack: "leave a device file in a granted folder", success: "the host has the device",
			walls: []string{filter, landlock}, root: []string{userID, caps, tree},
			only: "root", why: "no ordinary user makes device files",
			try: func(c *cell) verdict {
				as := c.calls(sys(unix.SYS_MKNODAT, at, c.writable+"/dev", unix.S_IFCHR|0o666, unix.Mkdev(1, 3)))
				info, err := os.Lstat(c.writable + "/dev")
				return verdict{err == nil && info.Mode()&os.ModeDevice != 0, told(as, false).saw}
			},
		},
		{
			id: "F23", attack: "open a disk of the host", success: "open answers a descriptor",
			root: []string{tree, userID}, only: "root", why: "no ordinary user opens disks", need: exists(disk),
			try: all(open(disk, unix.O_RDONLY)),
		},
		{
			id: "F24", attack: "run a setuid program out of a granted folder", success: "it runs as root",
			root: []string{jail.StepNoNewPrivs, tree}, with: []string{landlock, filter},
			only: "root", why: "only root can leave such a program there; Landlock and seccomp cannot go up without no_new_privs",
			try: setuidRun,
		},
		{
			id: "F25", attack: "cut a read-only file to nothing without opening it", success: "the host's file changed",
			walls: aroundFiles,
			try: func(c *cell) verdict {
				c.calls(sys(unix.SYS_TRUNCATE, c.shown+"/file", 0))
				return c.changed(c.shown+"/file", "shown")
			},
		},
		{
			id: "F25", attack: "put another file in a read-only file's place", success: "the host's file changed",
			walls: aroundFiles,
			try: func(c *cell) verdict {
				c.write(c.writable+"/other", "other")
				c.calls(sys(unix.SYS_RENAMEAT2, at, c.writable+"/other", at, c.shown+"/file", 0))
				return c.changed(c.shown+"/file", "shown")
			},
		},
		{
			id: "F25", attack: "delete a read-only file", success: "the host's file is gone",
			walls: aroundFiles,
			try: func(c *cell) verdict {
				c.calls(sys(unix.SYS_UNLINKAT, at, c.shown+"/file", 0))
				return c.changed(c.shown+"/file", "shown")
			},
		},
		{
			id: "F27", attack: "run a program out of anonymous memory (strict)", success: "it runs",
			walls:  []string{filter},
			policy: strict,
			try: func(c *cell) verdict {
				const program = "#!/bin/echo it-runs\n"
				c.calls(
					sys(unix.SYS_MEMFD_CREATE, "m", 0),
					sys(unix.SYS_WRITE, ref(0), program, len(program)),
					sys(unix.SYS_EXECVEAT, ref(0), "", 0, 0, unix.AT_EMPTY_PATH),
				)
				return verdict{strings.Contains(string(c.result.Stdout), "it-runs"), string(c.result.Stdout)}
			},
		},
		{
			id: "F32", attack: "read another user's file in the host's /tmp", success: "the victim has the secret",
			walls: []string{tree},
			try: func(c *cell) verdict {
				dir, err := os.MkdirTemp("/tmp", "bulkhead-attack-*")
				c.must(err)
				c.Cleanup(func() { os.RemoveAll(dir) })
				c.must(os.Chmod(dir, 0o755))
				c.write(dir+"/file", secret)
				c.calls(open(dir+"/file", unix.O_RDONLY), readOf(0))
				return c.leaked()
			},
		},
		{
			id: "B01", attack: "leave a setuid or setgid program for the host, by every call that sets a mode", success: "the host has such a file",
			walls: []string{filter},
			try:   plantedSetuid,
		},
		{
			id: "B02", attack: "leave a program with capabilities for the host", success: "the host's file has them",
			root: []string{userID, caps, tree}, only: "root", why: "no ordinary user gives capabilities",
			try: func(c *cell) verdict {
				file := c.writable + "/program"
				c.write(file, "#!/bin/true\n")
				raw := bytes{1, 0, 0, 2, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0} // cap_sys_admin, effective
				as := c.calls(sys(unix.SYS_SETXATTR, file, "security.capability", raw, len(raw), 0))
				n, err := unix.Getxattr(file, "security.capability", make([]byte, 64))
				return verdict{err == nil && n > 0, told(as, false).saw}
			},
		},
		{
			id: "B03", attack: "hold a lease on a read-only file, to stall the host's writers", success: "fcntl answers 0",
			walls: []string{filter},
			try: func(c *cell) verdict {
				return c.all(open(c.shown+"/file", unix.O_RDONLY), sys(unix.SYS_FCNTL, ref(0), unix.F_SETLEASE, unix.F_RDLCK))
			},
		},
		{
			id: "B04", attack: "read another user's private file inside a granted folder", success: "the victim has the secret",
			root: []string{tree, userID}, with: []string{caps, landlock},
			only: "root", why: "an ordinary user's sandbox has that user's own rights: the kernel refuses it anyway",
			try: func(c *cell) verdict {
				file := c.shown + "/private"
				c.must(os.WriteFile(file, []byte(secret), 0o600))
				c.must(os.Chown(file, 4242, 4242))
				c.calls(open(file, unix.O_RDONLY), readOf(0))
				return c.leaked()
			},
		},
		{
			id: "K10", attack: "open a file of the host by its handle, without a path", success: "the victim has the secret",
			walls: []string{filter}, root: []string{userID, caps},
			only: "root", why: "no ordinary user opens handles", with: []string{landlock},
			try: byHandle,
		},
		{
			id: "K24", attack: "talk to a service of the host by its socket's path", success: "the host accepts the connection",
			walls: []string{tree}, // Landlock does not look at connect
			try: func(c *cell) verdict {
				l, name := c.listenUnix(c.hidden + "/socket")
				return c.connects(l, name)
			},
		},
		{
			id: "K24", attack: "have a folder granted that holds a socket", success: "the host accepts the connection",
			bare: true, why: "the plan refuses the grant",
			try: func(c *cell) verdict {
				l, name := c.listenUnix(c.shown + "/socket")
				if err := c.refused(); err != nil {
					return verdict{false, err.Error()}
				}
				return c.connects(l, name)
			},
		},
	}
}
