package jail

import (
	"encoding/binary"
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/spawn"
)

// The names of the walls, as reports and denials use them.
const (
	StepCgroup     = "cgroup"
	StepOOM        = "out of memory"
	StepUserNS     = "user namespace"
	StepNamespaces = "namespaces"
	StepNetwork    = "network namespace"
	StepMounts     = "mount namespace"
	StepGrants     = "grants"
	StepRoot       = "private root"
	StepProc       = "proc"
	StepDev        = "dev"
	StepPivot      = "pivot root"
	StepStdio      = "stdio"
	StepFiles      = "descriptors"
	StepRlimits    = "rlimits"
	StepIDs        = "user id"
	StepCaps       = "capabilities"
	StepNoNewPrivs = "no new privileges"
	StepLandlock   = "landlock"
	StepDeath      = "parent death"
	StepSeccomp    = "seccomp"
	StepCommand    = "command"

	stepPlace = "working directory"
)

// statusFD is the descriptor of the status pipe in the first process.
const statusFD = 3

// stage is where the new root is built: a folder that every host has. What it
// hides is reachable no more, so every source is opened before.
const stage = "/tmp"

// builder lays out the program of one spec.
type builder struct {
	*spawn.Program
	spec   *Spec
	stdio  [4]spawn.Slot
	groups []spawn.Slot
	maps   []spawn.Slot
	net    spawn.Slot
	// template is the mount namespace that is given at the start.
	template spawn.Slot
	trace    spawn.Slot
	trees    []spawn.Slot // one a bind: the detached mount
	fd       spawn.Slot   // of the file at hand
	rules    spawn.Slot   // of the Landlock ruleset
}

// Program lays out the walls of s as system calls. maps is the number of id
// maps that the binds refer to.
//
// The order is the kernel's, not ours: what needs a privilege comes before
// the step that gives it away, and a filter that could refuse a later step
// comes after it.
func (s *Spec) Program(maps int) *spawn.Program {
	b := &builder{Program: &spawn.Program{IDs: s.UserNS}, spec: s}
	b.Flags = b.born()
	b.params(maps)
	for _, w := range walls {
		if !slices.Contains(s.Drop, w.name) {
			b.Step(w.name)
			w.put(b)
		}
	}
	return b.Program
}

// walls are the steps of every start. A wall that is dropped takes its row
// out; rows without which no sandbox exists cannot be dropped.
var walls = []struct {
	name string
	put  func(*builder)
}{
	{StepCgroup, (*builder).cgroup},         // first: everything below is charged to the sandbox
	{StepOOM, (*builder).sacrifice},         // while the host's /proc is there
	{StepUserNS, (*builder).userNS},         // before anything that needs a capability in it
	{StepNamespaces, (*builder).namespaces}, // host name
	{StepNetwork, (*builder).network},       // the private one
	{StepRoot, (*builder).tree},             // a tree of its own; the host's is gone from here on
	{StepStdio, (*builder).streams},         // 0 to 2
	{StepFiles, (*builder).descriptors},     // everything else closes at execve
	{StepLandlock, (*builder).ruleset},      // opens paths of the new tree, so after pivot and before the ids change
	{StepIDs, (*builder).ids},               // clears the capabilities of root
	{StepCaps, (*builder).caps},             // in a user namespace the ids do not change, so drop by hand
	{StepDeath, (*builder).death},           // after ids: a change of credentials clears the signal
	{StepNoNewPrivs, (*builder).noNewPrivs}, // Landlock and seccomp demand it without capabilities
	{StepLandlock, (*builder).restrict},     // the second wall around files
	{stepPlace, (*builder).place},           // before seccomp, which with a trace may hold up every call
	{StepSeccomp, (*builder).seccomp},       // after all that it may refuse
	{StepRlimits, (*builder).rlimits},       // may lower only; after the last step that opens something, and no filter refuses it
	{StepCommand, (*builder).command},
}

// namespaces that the child is born in, and what a test drops them by.
var namespaces = []struct {
	name string
	flag uint64
}{
	{"pid namespace", unix.CLONE_NEWPID},
	{"mount namespace", unix.CLONE_NEWNS},
	{"ipc namespace", unix.CLONE_NEWIPC},
	{"uts namespace", unix.CLONE_NEWUTS},
	{StepNetwork, unix.CLONE_NEWNET},
}

func (b *builder) born() (flags uint64) {
	for _, ns := range namespaces {
		given := ns.flag == unix.CLONE_NEWNET && b.spec.Joined || ns.flag == unix.CLONE_NEWNS && b.spec.Joins
		if given || slices.Contains(b.spec.Drop, ns.name) {
			continue
		}
		flags |= ns.flag
	}
	if b.spec.UserNS != nil {
		flags |= unix.CLONE_NEWUSER
	}
	return flags
}

// tree replaces the host's file tree by the sandbox's own.
func (b *builder) tree() {
	if b.spec.Joins {
		b.join()
		return
	}
	b.sources() // open what will be shown, while the host's tree is still there
	b.root()    // the new tree, from an empty tmpfs
	b.grants()  // attach what was opened
	b.proc()    // needs the new pid namespace
	b.devices() //
	b.pts()     //
	b.pivot()   //
}

func (b *builder) params(maps int) {
	for i := range b.stdio {
		b.stdio[i] = b.Param()
	}
	for range b.spec.Groups {
		b.groups = append(b.groups, b.Param())
	}
	for range maps {
		b.maps = append(b.maps, b.Param())
	}
	if b.spec.Joined {
		b.net = b.Param()
	}
	if b.spec.Joins {
		b.template = b.Param()
	}
	if b.spec.Listen {
		b.trace = b.Param()
	}
	b.fd = b.Slot(1)
}

// cgroup joins the sandbox's groups. cgroup v1 moves the one thread that
// writes 0 into tasks; cgroup.procs would cost 10 ms. (v2: clone3 itself.)
func (b *builder) cgroup() {
	for _, fd := range b.groups {
		b.Call("write", unix.SYS_WRITE, fd.Value(), spawn.Str("0"), spawn.Int(1))
	}
}

// sacrifice makes the kernel end the sandbox before anything else when the
// host runs out of memory: proc(5), oom_score_adj. A vforked child has a score
// of its own.
func (b *builder) sacrifice() { b.write("/proc/self/oom_score_adj", "500") }

// userNS maps one user and one group to the caller's own: user_namespaces(7).
func (b *builder) userNS() {
	ids := b.spec.UserNS
	if ids == nil {
		return
	}
	b.write("/proc/self/setgroups", "deny")
	b.write("/proc/self/uid_map", fmt.Sprintf("%d %d 1", ids.InnerUID, ids.OuterUID))
	b.write("/proc/self/gid_map", fmt.Sprintf("%d %d 1", ids.InnerGID, ids.OuterGID))
	for i := range b.Ops {
		if b.Ops[i].Step == StepUserNS {
			b.Ops[i].Clone = true
		}
	}
}

func (b *builder) write(file, text string) {
	fd := b.fd
	b.Call("open", openNR, openArgs(file, unix.O_WRONLY|unix.O_CLOEXEC, "O_WRONLY|O_CLOEXEC", 0)...).Into(fd)
	b.Call("write", unix.SYS_WRITE, fd.Value(), spawn.Str(text), spawn.Int(len(text)))
	b.Call("close", unix.SYS_CLOSE, fd.Value())
}

func (b *builder) namespaces() {
	b.Call("sethostname", unix.SYS_SETHOSTNAME, spawn.Str(b.spec.Hostname), spawn.Int(len(b.spec.Hostname)))
}

// network joins the namespace that was given, or brings loopback up in the
// child's own: netdevice(7).
func (b *builder) network() {
	if b.spec.Joined {
		b.Call("setns", unix.SYS_SETNS, b.net.Value(), spawn.Flag(unix.CLONE_NEWNET, "CLONE_NEWNET"))
		return
	}
	ifreq := make([]byte, 40)
	copy(ifreq, "lo")
	binary.LittleEndian.PutUint16(ifreq[16:], unix.IFF_UP|unix.IFF_RUNNING)
	fd := b.fd
	b.Call("socket", unix.SYS_SOCKET, spawn.Flag(unix.AF_INET, "AF_INET"), spawn.Flag(unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, "SOCK_DGRAM|SOCK_CLOEXEC"), spawn.Int(0)).Into(fd)
	b.Call("ioctl", unix.SYS_IOCTL, fd.Value(), spawn.Flag(unix.SIOCSIFFLAGS, "SIOCSIFFLAGS"), spawn.Data(ifreq, "{lo, IFF_UP}"))
	b.Call("close", unix.SYS_CLOSE, fd.Value())
}

// sources cuts a detached copy of every mount that will be shown. Links are
// refused on the way, so that a path swapped after the plan is not followed.
func (b *builder) sources() {
	b.Step(StepMounts)
	b.Call("mount", unix.SYS_MOUNT, spawn.Int(0), spawn.Str("/"), spawn.Int(0), spawn.Flag(unix.MS_REC|unix.MS_PRIVATE, "MS_REC|MS_PRIVATE"), spawn.Int(0))

	b.Step(StepGrants)
	for _, bind := range b.spec.Binds {
		b.trees = append(b.trees, b.cut(bind))
	}
}

// cut makes a detached copy of what a bind shows, closed down.
func (b *builder) cut(bind Bind) spawn.Slot {
	how := openHow(unix.O_PATH|unix.O_CLOEXEC, unix.RESOLVE_NO_SYMLINKS)
	at, tree := b.fd, b.Slot(1)
	b.Call("openat2", unix.SYS_OPENAT2, spawn.Flag(unix.AT_FDCWD, "AT_FDCWD"), spawn.Str(bind.Source), spawn.Data(how, "{O_PATH|O_CLOEXEC, RESOLVE_NO_SYMLINKS}"), spawn.Int(len(how))).Into(at)
	b.Call("open_tree", unix.SYS_OPEN_TREE, at.Value(), spawn.Str(""), spawn.Flag(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, "OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_EMPTY_PATH|AT_RECURSIVE")).Into(tree)
	b.Call("close", unix.SYS_CLOSE, at.Value())
	b.attributes(tree, bind)
	return tree
}

// attributes closes down a detached mount: mount_setattr(2) only ever adds
// here, so what the host had locked stays locked.
func (b *builder) attributes(tree spawn.Slot, bind Bind) {
	set, text := uint64(unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV), "NOSUID|NODEV"
	if !bind.Write {
		set, text = set|unix.MOUNT_ATTR_RDONLY, "RDONLY|"+text
	}
	attr := make([]byte, 32)
	binary.LittleEndian.PutUint64(attr, set)
	b.Call("mount_setattr", unix.SYS_MOUNT_SETATTR, tree.Value(), spawn.Str(""), spawn.Flag(unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, "AT_EMPTY_PATH|AT_RECURSIVE"), spawn.Data(attr, "{"+text+"}"), spawn.Int(len(attr)))
	if bind.Mapped == 0 {
		return
	}
	// struct mount_attr {set, clear, propagation, userns_fd} in four slots.
	s := b.Slot(4)
	b.Set(s, unix.MOUNT_ATTR_IDMAP)
	b.Call("dup", unix.SYS_FCNTL, b.maps[bind.Mapped-1].Value(), spawn.Flag(unix.F_DUPFD_CLOEXEC, "F_DUPFD_CLOEXEC"), spawn.Int(0)).Into(s + 3)
	b.Call("mount_setattr", unix.SYS_MOUNT_SETATTR, tree.Value(), spawn.Str(""), spawn.Flag(unix.AT_EMPTY_PATH, "AT_EMPTY_PATH"), s.Addr("{IDMAP}"), spawn.Int(32))
}

// root builds the new tree on an empty tmpfs. Names are relative to it.
func (b *builder) root() {
	b.Step(StepRoot)
	b.tmpfs(stage, "mode=755,size=16m,nr_inodes=4k", unix.MS_NOSUID|unix.MS_NODEV, "MS_NOSUID|MS_NODEV")
	b.Call("chdir", unix.SYS_CHDIR, spawn.Str(stage))
	b.Call("umask", unix.SYS_UMASK, spawn.Int(0))

	made := map[string]bool{".": true}
	for _, t := range b.spec.Tmpfs {
		b.mkdirs(made, t.Target, 0o755)
	}
	b.scratch()
	for _, d := range []string{"/proc", "/dev"} {
		b.mkdirs(made, d, 0o755)
	}
	for _, d := range b.spec.Dirs {
		b.mkdirs(made, d.Path, d.Mode)
	}
	for _, bind := range b.spec.Binds {
		if bind.Folder {
			b.mkdirs(made, bind.Target, 0o755)
			continue
		}
		b.mkdirs(made, path.Dir(bind.Target), 0o755)
		b.create(rel(bind.Target), nil, 0o644)
	}
	for _, l := range b.spec.Links {
		b.mkdirs(made, path.Dir(l.Path), 0o755)
		b.Call("symlinkat", unix.SYS_SYMLINKAT, spawn.Str(l.Target), spawn.Flag(unix.AT_FDCWD, "AT_FDCWD"), spawn.Str(rel(l.Path)))
	}
	for _, f := range b.spec.Files {
		b.mkdirs(made, path.Dir(f.Path), 0o755)
		b.create(rel(f.Path), f.Data, f.Mode)
	}
}

// grants attaches the detached mounts, parents before children.
func (b *builder) grants() {
	b.Step(StepGrants)
	order := make([]int, len(b.spec.Binds))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool {
		return b.spec.Binds[order[i]].Target < b.spec.Binds[order[j]].Target
	})
	for _, i := range order {
		b.Call("move_mount", unix.SYS_MOVE_MOUNT, b.trees[i].Value(), spawn.Str(""), spawn.Flag(unix.AT_FDCWD, "AT_FDCWD"), spawn.Str(rel(b.spec.Binds[i].Target)), spawn.Flag(unix.MOVE_MOUNT_F_EMPTY_PATH, "MOVE_MOUNT_F_EMPTY_PATH"))
		b.Call("close", unix.SYS_CLOSE, b.trees[i].Value())
	}
}

// proc mounts the process list of the new pid namespace and covers what tells
// about the host. Never the host's /proc.
func (b *builder) proc() {
	b.Step(StepProc)
	b.Call("mount", unix.SYS_MOUNT, spawn.Str("proc"), spawn.Str("proc"), spawn.Str("proc"), spawn.Flag(unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "MS_NOSUID|MS_NODEV|MS_NOEXEC"), spawn.Int(0))
	for _, m := range b.spec.Masks {
		b.Call("mount", unix.SYS_MOUNT, spawn.Str("/dev/null"), spawn.Str(rel(m)), spawn.Int(0), spawn.Flag(unix.MS_BIND, "MS_BIND"), spawn.Int(0)).Optional()
	}
	for _, r := range b.spec.ReadOnly {
		attr := make([]byte, 32)
		binary.LittleEndian.PutUint64(attr, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
		b.Call("mount", unix.SYS_MOUNT, spawn.Str(rel(r)), spawn.Str(rel(r)), spawn.Int(0), spawn.Flag(unix.MS_BIND, "MS_BIND"), spawn.Int(0))
		b.Call("mount_setattr", unix.SYS_MOUNT_SETATTR, spawn.Flag(unix.AT_FDCWD, "AT_FDCWD"), spawn.Str(rel(r)), spawn.Int(0), spawn.Data(attr, "{RDONLY|NOSUID|NODEV|NOEXEC}"), spawn.Int(len(attr)))
	}
}

// devices shows a handful of the host's.
func (b *builder) devices() {
	b.Step(StepDev)
	for _, d := range b.spec.Devices {
		b.create("dev/"+d, nil, 0o666)
		b.Call("mount", unix.SYS_MOUNT, spawn.Str("/dev/"+d), spawn.Str("dev/"+d), spawn.Int(0), spawn.Flag(unix.MS_BIND, "MS_BIND"), spawn.Int(0))
	}
	b.Call("mkdirat", unix.SYS_MKDIRAT, spawn.Flag(unix.AT_FDCWD, "AT_FDCWD"), spawn.Str("dev/pts"), spawn.Flag(0o755, "0755"))
	for _, l := range [][2]string{{"pts/ptmx", "ptmx"}, {"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"}, {"/proc/self/fd/2", "stderr"}} {
		b.Call("symlinkat", unix.SYS_SYMLINKAT, spawn.Str(l[0]), spawn.Flag(unix.AT_FDCWD, "AT_FDCWD"), spawn.Str("dev/"+l[1]))
	}
}

// pts mounts a pty file system of its own.
func (b *builder) pts() {
	b.Call("mount", unix.SYS_MOUNT, spawn.Str("devpts"), spawn.Str("dev/pts"), spawn.Str("devpts"), spawn.Flag(unix.MS_NOSUID|unix.MS_NOEXEC, "MS_NOSUID|MS_NOEXEC"), spawn.Str("newinstance,ptmxmode=0666,mode=620"))
}

// pivot makes the new tree the root and lets the host's go: pivot_root(2).
func (b *builder) pivot() {
	b.Step(StepPivot)
	b.Call("pivot_root", unix.SYS_PIVOT_ROOT, spawn.Str("."), spawn.Str("."))
	b.Call("umount2", unix.SYS_UMOUNT2, spawn.Str("."), spawn.Flag(unix.MNT_DETACH, "MNT_DETACH"))
	b.Call("chdir", unix.SYS_CHDIR, spawn.Str("/"))
	attr := make([]byte, 32)
	binary.LittleEndian.PutUint64(attr, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	b.Call("mount_setattr", unix.SYS_MOUNT_SETATTR, spawn.Flag(unix.AT_FDCWD, "AT_FDCWD"), spawn.Str("/"), spawn.Int(0), spawn.Data(attr, "{RDONLY|NOSUID|NODEV}"), spawn.Int(len(attr)))
}

// streams starts a session without a terminal and puts the pipes in place.
func (b *builder) streams() {
	b.Call("setsid", unix.SYS_SETSID)
	for i, fd := range b.stdio[:statusFD] {
		b.Call("dup3", unix.SYS_DUP3, fd.Value(), spawn.Int(i), spawn.Int(0))
	}
}

// descriptors marks everything but stdio and the status pipe to close.
func (b *builder) descriptors() {
	const closeOnExec = 1 << 2 // CLOSE_RANGE_CLOEXEC, Linux 5.11
	b.Call("close_range", unix.SYS_CLOSE_RANGE, spawn.Int(statusFD+1), spawn.Flag(uint32(0xffffffff), "~0"), spawn.Flag(closeOnExec, "CLOSE_RANGE_CLOEXEC"))
}

func (b *builder) rlimits() {
	for _, r := range b.spec.Rlimits {
		lim := make([]byte, 16)
		binary.LittleEndian.PutUint64(lim, r.Value)
		binary.LittleEndian.PutUint64(lim[8:], r.Value)
		b.Call("prlimit64", unix.SYS_PRLIMIT64, spawn.Int(0), spawn.Flag(r.Resource, r.Name), spawn.Data(lim, fmt.Sprintf("{%d, %d}", r.Value, r.Value)), spawn.Int(0))
	}
}

// ids becomes the sandbox's own user. In a user namespace that was done by
// its map: the process already is the only user there is.
func (b *builder) ids() {
	if b.spec.UserNS != nil {
		return
	}
	uid, gid := spawn.Int(b.spec.UID), spawn.Int(b.spec.GID)
	b.Call("setgroups", unix.SYS_SETGROUPS, spawn.Int(0), spawn.Int(0))
	b.Call("setresgid", unix.SYS_SETRESGID, gid, gid, gid)
	b.Call("setresuid", unix.SYS_SETRESUID, uid, uid, uid)
}

// caps gives every capability away. With no_new_privs and a user id that is
// not 0 nothing can bring one back, so the bounding set needs no loop.
func (b *builder) caps() {
	header := make([]byte, 8)
	binary.LittleEndian.PutUint32(header, unix.LINUX_CAPABILITY_VERSION_3)
	b.Call("capset", unix.SYS_CAPSET, spawn.Data(header, "{_LINUX_CAPABILITY_VERSION_3, 0}"), spawn.Data(make([]byte, 24), "{0, 0, 0}"))
}

func (b *builder) death() {
	b.Call("prctl", unix.SYS_PRCTL, spawn.Flag(unix.PR_SET_PDEATHSIG, "PR_SET_PDEATHSIG"), spawn.Flag(unix.SIGKILL, "SIGKILL"))
}

func (b *builder) noNewPrivs() {
	b.Call("prctl", unix.SYS_PRCTL, spawn.Flag(unix.PR_SET_NO_NEW_PRIVS, "PR_SET_NO_NEW_PRIVS"), spawn.Int(1), spawn.Int(0), spawn.Int(0), spawn.Int(0))
}

// ruleset opens each path of the new tree and ties the rights to it. The
// rights follow the inode, not the path, so this must come after pivot_root.
func (b *builder) ruleset() {
	if b.spec.Landlock == nil {
		return
	}
	attr := b.spec.Landlock.Attr
	b.rules = b.Slot(1)
	b.Call("landlock_create_ruleset", unix.SYS_LANDLOCK_CREATE_RULESET, spawn.Data(attr, fmt.Sprintf("{%d bytes}", len(attr))), spawn.Int(len(attr)), spawn.Int(0)).Into(b.rules)
	for _, r := range b.spec.Rules {
		// struct landlock_path_beneath_attr {u64 access, s32 fd}, packed.
		s := b.Slot(2)
		b.Set(s, r.Access)
		b.Call("open", openNR, openArgs(r.Path, unix.O_PATH|unix.O_CLOEXEC, "O_PATH|O_CLOEXEC", 0)...).Into(s + 1)
		b.Call("landlock_add_rule", unix.SYS_LANDLOCK_ADD_RULE, b.rules.Value(), spawn.Flag(unix.LANDLOCK_RULE_PATH_BENEATH, "LANDLOCK_RULE_PATH_BENEATH"), s.Addr(fmt.Sprintf("{%#x, %s}", r.Access, r.Path)), spawn.Int(0))
		b.Call("close", unix.SYS_CLOSE, (s + 1).Value())
	}
}

func (b *builder) restrict() {
	if b.spec.Landlock == nil {
		return
	}
	b.Call("landlock_restrict_self", unix.SYS_LANDLOCK_RESTRICT_SELF, b.rules.Value(), spawn.Int(b.spec.Landlock.Flags))
}

// place is where the command starts: the first process's pipe, its folder, its
// mask for new files, and signals on again, which the launcher blocks around
// clone.
func (b *builder) place() {
	b.Call("dup3", unix.SYS_DUP3, b.stdio[statusFD].Value(), spawn.Int(statusFD), spawn.Int(0))
	b.Call("umask", unix.SYS_UMASK, spawn.Flag(0o022, "022"))
	// A link of /proc leads to what this process still has open of the host:
	// such a folder would be outside of the new root.
	how := openHow(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, unix.RESOLVE_NO_MAGICLINKS)
	b.Call("openat2", unix.SYS_OPENAT2, spawn.Flag(unix.AT_FDCWD, "AT_FDCWD"), spawn.Str(b.spec.Dir), spawn.Data(how, "{O_PATH|O_DIRECTORY|O_CLOEXEC, RESOLVE_NO_MAGICLINKS}"), spawn.Int(len(how))).Into(b.fd)
	b.Call("fchdir", unix.SYS_FCHDIR, b.fd.Value())
	b.Call("rt_sigprocmask", unix.SYS_RT_SIGPROCMASK, spawn.Flag(unix.SIG_SETMASK, "SIG_SETMASK"), spawn.Data(make([]byte, 8), "{}"), spawn.Int(0), spawn.Int(8))
}

// seccomp loads the filter. With a trace the kernel's notification descriptor
// is sent out through a socket; it closes at execve like all others.
func (b *builder) seccomp() {
	if len(b.spec.Seccomp) == 0 {
		return
	}
	code := make([]byte, 0, 8*len(b.spec.Seccomp))
	for _, i := range b.spec.Seccomp {
		code = binary.LittleEndian.AppendUint16(code, i.Code)
		code = append(code, i.Jt, i.Jf)
		code = binary.LittleEndian.AppendUint32(code, i.K)
	}
	prog := spawn.Vector(fmt.Sprintf("{%d instructions}", len(b.spec.Seccomp)), spawn.Int(len(b.spec.Seccomp)), spawn.Data(code, ""))
	if !b.spec.Listen {
		b.Call("seccomp", unix.SYS_SECCOMP, spawn.Flag(1, "SECCOMP_SET_MODE_FILTER"), spawn.Int(0), prog)
		return
	}
	b.Call("dup3", unix.SYS_DUP3, b.trace.Value(), spawn.Int(TraceFD), spawn.Flag(unix.O_CLOEXEC, "O_CLOEXEC"))
	// struct cmsghdr {len, level|type<<32} and the descriptor, in three slots.
	c := b.Slot(3)
	b.Set(c, 20)
	b.Set(c+1, unix.SOL_SOCKET|unix.SCM_RIGHTS<<32)
	b.Call("seccomp", unix.SYS_SECCOMP, spawn.Flag(1, "SECCOMP_SET_MODE_FILTER"), spawn.Flag(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, "NEW_LISTENER|WAIT_KILLABLE_RECV"), prog).Into(c + 2)
	iov := spawn.Vector("", spawn.Str("n"), spawn.Int(1))
	msg := spawn.Vector("{SCM_RIGHTS}", spawn.Int(0), spawn.Int(0), iov, spawn.Int(1), c.Addr(""), spawn.Int(24), spawn.Int(0))
	b.Call("sendmsg", unix.SYS_SENDMSG, spawn.Int(TraceFD), msg, spawn.Int(0))
}

// TraceFD is the descriptor from which the child sends its notification
// descriptor out. A filter that refuses sendmsg must allow it on this one.
const TraceFD = 200

func (b *builder) command() {
	b.Call("execve", unix.SYS_EXECVE, spawn.Str(b.spec.Init), words(fmt.Sprintf("%q", b.spec.Args), b.spec.Args), words(fmt.Sprintf("[%d variables]", len(b.spec.Env)), b.spec.Env))
}

// tmpfs mounts an empty file system of bounded size.
func (b *builder) tmpfs(target, options string, flags uintptr, text string) {
	b.Call("mount", unix.SYS_MOUNT, spawn.Str("tmpfs"), spawn.Str(target), spawn.Str("tmpfs"), spawn.Flag(flags, text), spawn.Str(options))
}

// mkdirs makes a folder and its parents in the new tree, each once.
func (b *builder) mkdirs(made map[string]bool, dir string, mode uint32) {
	name := rel(dir)
	if made[name] {
		return
	}
	if parent := path.Dir(name); !made[parent] {
		b.mkdirs(made, parent, 0o755)
	}
	made[name] = true
	b.Call("mkdirat", unix.SYS_MKDIRAT, spawn.Flag(unix.AT_FDCWD, "AT_FDCWD"), spawn.Str(name), spawn.Flag(mode, fmt.Sprintf("%#o", mode)))
}

// create makes a file in the new tree.
func (b *builder) create(name string, data []byte, mode uint32) {
	fd := b.fd
	b.Call("open", openNR, openArgs(name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, "O_CREAT|O_EXCL|O_WRONLY|O_CLOEXEC", mode)...).Into(fd)
	if len(data) > 0 {
		b.Call("write", unix.SYS_WRITE, fd.Value(), spawn.Data(data, fmt.Sprintf("<%d bytes>", len(data))), spawn.Int(len(data)))
	}
	b.Call("close", unix.SYS_CLOSE, fd.Value())
}

// openNR is openat on every architecture; arm64 has no open.
const openNR = unix.SYS_OPENAT

func openArgs(name string, flags int, text string, mode uint32) []spawn.Arg {
	return []spawn.Arg{spawn.Flag(unix.AT_FDCWD, "AT_FDCWD"), spawn.Str(name), spawn.Flag(flags, text), spawn.Flag(mode, fmt.Sprintf("%#o", mode))}
}

// openHow is struct open_how of openat2(2).
func openHow(flags, resolve uint64) []byte {
	how := make([]byte, 24)
	binary.LittleEndian.PutUint64(how, flags)
	binary.LittleEndian.PutUint64(how[16:], resolve)
	return how
}

// words is an argv or an environment: the strings and a null. text is how it
// prints; values of variables are never printed, they may be secrets.
func words(text string, list []string) spawn.Arg {
	args := make([]spawn.Arg, 0, len(list)+1)
	for _, s := range list {
		args = append(args, spawn.Str(s))
	}
	return spawn.Vector(text, append(args, spawn.Int(0))...)
}

// rel is a path inside, relative to the new root.
func rel(p string) string {
	if r := strings.TrimPrefix(path.Clean(p), "/"); r != "" {
		return r
	}
	return "."
}
