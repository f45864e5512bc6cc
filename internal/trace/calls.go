//go:build linux

package trace

import (
	"slices"

	"github.com/bulkhead-dev/bulkhead/internal/kernel/seccomp"
)

// cwd stands for "relative to the working directory" where another call has a
// folder's descriptor.
const cwd = -1

// watched is what is looked at, and how. Left out on purpose are execve, chdir,
// umask and sendmsg: a sandbox's first process makes those after its filter is
// in place and while its launcher, which may hold up the whole supervisor,
// waits for it.
var watched = map[string]func(call) verdict{
	"open":   opening(cwd, 0, 1),
	"openat": opening(0, 1, 2),
	"creat":  creating(cwd, 0),

	"stat":       looking("stat", cwd, 0),
	"lstat":      looking("stat", cwd, 0),
	"newfstatat": looking("stat", 0, 1),
	"statx":      looking("stat", 0, 1),
	"access":     looking("access", cwd, 0),
	"faccessat":  looking("access", 0, 1),
	"faccessat2": looking("access", 0, 1),
	"readlink":   looking("readlink", cwd, 0),
	"readlinkat": looking("readlink", 0, 1),

	"truncate":  changing("truncate", cwd, 0),
	"chmod":     changing("chmod", cwd, 0),
	"fchmodat":  changing("chmod", 0, 1),
	"fchmodat2": changing("chmod", 0, 1),
	"chown":     changing("chown", cwd, 0),
	"lchown":    changing("chown", cwd, 0),
	"fchownat":  changing("chown", 0, 1),
	"utime":     changing("utime", cwd, 0),
	"utimes":    changing("utime", cwd, 0),
	"futimesat": changing("utime", 0, 1),
	"utimensat": changing("utime", 0, 1),

	"mkdir":     making("mkdir", cwd, 0),
	"mkdirat":   making("mkdir", 0, 1),
	"mknod":     making("mknod", cwd, 0),
	"mknodat":   making("mknod", 0, 1),
	"symlink":   making("symlink", cwd, 1),
	"symlinkat": making("symlink", 1, 2),
	"link":      both(looking("link", cwd, 0), making("link", cwd, 1)),
	"linkat":    both(looking("link", 0, 1), making("link", 2, 3)),

	"unlink":    removing("unlink", cwd, 0),
	"unlinkat":  removing("unlink", 0, 1),
	"rmdir":     removing("rmdir", cwd, 0),
	"rename":    both(removing("rename", cwd, 0), making("rename", cwd, 1)),
	"renameat":  both(removing("rename", 0, 1), making("rename", 2, 3)),
	"renameat2": both(removing("rename", 0, 1), making("rename", 2, 3)),

	"connect": call.connect,
	"sendto":  call.sendto,
	"bind":    call.bind,

	"kill":              signalling("kill"),
	"tkill":             signalling("kill"),
	"tgkill":            signalling("kill"),
	"rt_sigqueueinfo":   signalling("kill"),
	"rt_tgsigqueueinfo": signalling("kill"),
	"pidfd_open":        signalling("pidfd_open"),

	"clone": call.fork,
	"fork":  call.fork,
	"vfork": call.fork,
}

// Watch returns a copy of f that asks a supervisor about every watched call
// that f allows, and about every call that f refuses with an error number.
// What f kills for, it still kills for.
func Watch(f seccomp.Filter) seccomp.Filter {
	f = f.Notifying()
	f.Rules = slices.Clone(f.Rules)
	for i, r := range f.Rules {
		if _, ok := watched[r.Call]; ok && r.Then == seccomp.Allow {
			f.Rules[i].Then = seccomp.Notify
		}
	}
	return f
}

// both is the first verdict of two that refuses.
func both(first, second func(call) verdict) func(call) verdict {
	return func(c call) verdict {
		if v := first(c); v.errno != 0 {
			return v
		}
		return second(c)
	}
}
