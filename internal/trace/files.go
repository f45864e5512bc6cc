//go:build linux

package trace

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// looking watches a call that needs a file to be there.
func looking(operation string, dirArg, pathArg int) func(call) verdict {
	return func(c call) verdict {
		name, ok := c.path(dirArg, pathArg)
		if !ok {
			return verdict{}
		}
		return c.needs(operation, name, "--read ")
	}
}

// changing watches a call that changes a file that is there.
func changing(operation string, dirArg, pathArg int) func(call) verdict {
	return func(c call) verdict {
		name, ok := c.path(dirArg, pathArg)
		if !ok {
			return verdict{}
		}
		if f := c.look(name, false); f.there && f.readOnly {
			return c.readOnly(operation, name, name)
		}
		return c.needs(operation, name, "--write ")
	}
}

// making watches a call that makes a new name in a folder.
func making(operation string, dirArg, pathArg int) func(call) verdict {
	return func(c call) verdict {
		name, ok := c.path(dirArg, pathArg)
		if !ok {
			return verdict{}
		}
		return c.makes(operation, name)
	}
}

// removing watches a call that takes a name out of a folder.
func removing(operation string, dirArg, pathArg int) func(call) verdict {
	return func(c call) verdict {
		name, ok := c.path(dirArg, pathArg)
		if !ok {
			return verdict{}
		}
		if f := c.look(name, true); f.there && c.look(parent(name), false).readOnly {
			return c.readOnly(operation, name, parent(name))
		}
		return c.needs(operation, name, "--write ")
	}
}

// creating watches creat, which is open with fixed flags.
func creating(dirArg, pathArg int) func(call) verdict {
	return func(c call) verdict {
		return c.opens(dirArg, pathArg, unix.O_CREAT|unix.O_WRONLY|unix.O_TRUNC)
	}
}

// opening watches the open family.
func opening(dirArg, pathArg, flagsArg int) func(call) verdict {
	return func(c call) verdict { return c.opens(dirArg, pathArg, c.int(flagsArg)) }
}

// nameless is O_TMPFILE without O_DIRECTORY, which it contains.
const nameless = unix.O_TMPFILE &^ unix.O_DIRECTORY

// opens judges an open with flags.
func (c call) opens(dirArg, pathArg, flags int) verdict {
	name, ok := c.path(dirArg, pathArg)
	if !ok {
		return verdict{}
	}
	if flags&unix.O_PATH != 0 {
		flags &= unix.O_PATH | unix.O_NOFOLLOW | unix.O_DIRECTORY // as the kernel does
	}
	writes := flags&(unix.O_ACCMODE|unix.O_TRUNC) != 0
	f := c.look(name, flags&unix.O_NOFOLLOW != 0)
	switch {
	case f.there && flags&(unix.O_CREAT|unix.O_EXCL) == unix.O_CREAT|unix.O_EXCL:
		return verdict{} // EEXIST comes first
	case f.there && f.readOnly && flags&nameless != 0:
		return c.readOnly("write", name, name)
	case f.there && f.readOnly && writes && f.kind == unix.S_IFREG:
		return c.readOnly("write", name, name)
	case f.missing && flags&unix.O_CREAT != 0:
		return c.makes("create", name)
	case writes:
		return c.needs("open", name, "--write ")
	}
	return c.needs("open", name, "--read ")
}

// needs refuses a path that the host has and the sandbox does not show.
func (c call) needs(operation, name, flag string) verdict {
	if !c.look(name, true).missing {
		return verdict{}
	}
	shown := path.Clean(name)
	if pid, ok := processFolder(shown); ok {
		return c.stranger(operation, shown, pid, unix.ENOENT)
	}
	if !c.hidden(name) {
		return verdict{}
	}
	return deny(unix.ENOENT, operation, shown, c.s.Steps.Root, suggest(flag, shown))
}

// makes refuses a new name in a folder that is read-only, or that only the
// host has.
func (c call) makes(operation, name string) verdict {
	folder := parent(name)
	f := c.look(folder, false)
	switch {
	case f.there && f.readOnly && c.look(name, true).missing:
		return c.readOnly(operation, name, folder)
	case f.missing && c.hidden(folder):
		return deny(unix.ENOENT, operation, path.Clean(name), c.s.Steps.Root, suggest("--write ", path.Clean(folder)))
	}
	return verdict{}
}

// hidden says whether a path that is missing inside is one that the host has
// and a grant could show.
func (c call) hidden(name string) bool {
	shown := path.Clean(name)
	return !c.s.own(shown) && onHost(shown) && c.plain(name)
}

// readOnly is the refusal of a change on a read-only mount. granted is what
// would have to be writable.
func (c call) readOnly(operation, name, granted string) verdict {
	return deny(unix.EROFS, operation, path.Clean(name), c.s.Steps.ReadOnly, suggest("--write ", path.Clean(granted)))
}

// neverWrite are folders whose writing nobody should be talked into granting.
var neverWrite = []string{"/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/sbin", "/usr"}

// neverGrant are folders that belong to the kernel.
var neverGrant = []string{"/proc", "/sys", "/dev"}

// suggest is the flag that would grant a path; empty when there is none, or
// none to recommend.
func suggest(flag, name string) string {
	refuse := neverGrant
	if flag == "--write " {
		refuse = slices.Concat(neverWrite, neverGrant)
	}
	for _, dir := range refuse {
		if beneath(name, dir) {
			return ""
		}
	}
	if name == "/" {
		return ""
	}
	return flag + name
}

// processFolder is the process whose folder in /proc a clean path is in.
func processFolder(name string) (pid int, ok bool) {
	rest, ok := strings.CutPrefix(name, "/proc/")
	if !ok {
		return 0, false
	}
	first, _, _ := strings.Cut(rest, "/")
	pid, err := strconv.Atoi(first)
	return pid, err == nil && pid > 0
}
