package native

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/jail"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/cgroup"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/landlock"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/seccomp"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/spawn"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// plan is one command under one policy, laid out for this host.
type plan struct {
	layer   *Layer
	req     sandbox.Request
	limits  policy.Limits // with the defaults filled in
	spec    jail.Spec
	program *spawn.Program
	user    *user // nil: in a user namespace
	maps    []*os.File
	steps   []event.Step
	missing []string
	init    string      // the program of a live sandbox's first process; empty: one command
	key     seccomp.Key // of a live sandbox: lets its first process load filters
	env     map[string]string
	groups  cgroup.Hierarchy
	below   []jail.Bind // what the template shows
	tree    *os.File    // the template that is used; nil: the start builds its own tree
	ordered atomic.Bool // a network namespace is on its way to this plan
	closed  sync.Once
}

var (
	_ sandbox.Plan      = (*plan)(nil)
	_ sandbox.Described = (*plan)(nil)
)

// Plan lays out the walls for a request. See sandbox.Layer.
func (l *Layer) Plan(_ context.Context, req sandbox.Request) (sandbox.Plan, error) {
	if len(req.Args) == 0 {
		return nil, fault.New(fault.Invalid, "no command")
	}
	pl, err := l.plan(req, "")
	if err != nil {
		return nil, err
	}
	return pl, nil
}

// plan lays out the walls for one command, or, with the program of a live
// sandbox's first process, for that.
func (l *Layer) plan(req sandbox.Request, init string) (*plan, error) {
	grants, warnings, err := l.resolve(req.Policy.Filesystem, req.Within)
	if err != nil {
		return nil, err
	}
	pl := &plan{layer: l, req: req, limits: withDefaults(req.Policy.Limits), missing: warnings, init: init, key: newKey()}
	for _, part := range []func() error{
		pl.identity,
		func() error { return pl.files(grants) },
		pl.landlock,
		pl.seccomp,
		pl.cgroup,
		pl.resources,
		func() error { return pl.command(grants) },
		pl.drop,
	} {
		if err := part(); err != nil {
			pl.Close()
			return nil, err
		}
	}
	pl.program = pl.spec.Program(len(pl.maps))
	return pl, nil
}

// newKey draws a key that nobody can guess.
func newKey() (key seccomp.Key) {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return seccomp.Key{binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])}
}

// enforced records a wall that will stand.
func (pl *plan) enforced(name, format string, args ...any) {
	pl.steps = append(pl.steps, event.Step{Name: name, Status: event.Enforced, Detail: fmt.Sprintf(format, args...)})
}

// lacking records a wall that this host cannot put up. It stops the plan
// unless the policy says best effort, or the wall is only a default limit.
func (pl *plan) lacking(name string, optional bool, format string, args ...any) error {
	why := fmt.Sprintf(format, args...)
	if !optional && !pl.req.Policy.BestEffort {
		return fault.Newf(fault.Unsupported, "%s: %s", name, why).
			WithHint("run 'bulkhead doctor' for the remedy, or start with --best-effort to go without")
	}
	pl.steps = append(pl.steps, event.Step{Name: name, Status: event.Unenforced, Detail: why})
	pl.missing = append(pl.missing, name+": "+why)
	return nil
}

// identity decides who the process is.
func (pl *plan) identity() error {
	pl.spec.Hostname = hostName
	if root() {
		usr, err := pl.layer.users.take()
		if err != nil {
			return fault.Newf(fault.Unsupported, "%s: %w", jail.StepIDs, err)
		}
		pl.user, pl.spec.UID, pl.spec.GID = usr, usr.uid, usr.uid
		pl.spec.Joined = true
		pl.layer.networks.order()
		pl.ordered.Store(true)
		pl.enforced(jail.StepIDs, "host user %d, leased for this sandbox alone", usr.uid)
	} else {
		pl.spec.UID, pl.spec.GID = innerUID, innerGID
		pl.spec.UserNS = &spawn.IDMap{InnerUID: innerUID, OuterUID: os.Getuid(), InnerGID: innerGID, OuterGID: os.Getgid()}
		pl.enforced(jail.StepUserNS, "inner user %d is host user %d, no other exists", innerUID, os.Getuid())
	}
	pl.enforced(jail.StepOOM, "the sandbox goes first")
	pl.enforced(jail.StepNamespaces, "pid, mount, ipc, uts: private")
	pl.enforced(jail.StepNetwork, "private, loopback only")
	return nil
}

// files lays out the private root.
func (pl *plan) files(grants []grant) error {
	s := &pl.spec
	facts := pl.layer.facts()
	s.Binds, s.Links = slices.Clone(facts.binds), slices.Clone(facts.links)
	s.Devices, s.Masks, s.ReadOnly = devices, masks, []string{"/proc/sys"}
	scratch := int64(pl.limits.Scratch)
	s.Tmpfs = []jail.Tmpfs{
		{Target: "/tmp", Size: scratch, Mode: 0o1777},
		{Target: "/dev/shm", Size: scratch, Mode: 0o1777},
		{Target: homePath, Size: scratch, Mode: 0o700},
	}
	s.Files = pl.identityFiles()
	if err := pl.firstProcess(); err != nil {
		return err
	}

	own, err := pl.ownGrants()
	if err != nil {
		return err
	}
	if pl.req.Workspace == "" {
		s.Tmpfs = append(s.Tmpfs, jail.Tmpfs{Target: WorkPath, Size: scratch, Mode: 0o700})
	}
	pl.useTemplate(own, grants)
	if err := pl.binds(append(own, grants...)); err != nil {
		return err
	}
	pl.enforced(jail.StepRoot, "system folders read-only, scratch of %d MiB, nothing else of the host", scratch>>20)
	for _, g := range grants {
		pl.enforced(jail.StepGrants, "%s %s", access(g.write), g.target)
	}
	pl.enforced(jail.StepProc, "own process list; host details covered")
	pl.enforced(jail.StepDev, "%s, pts, shm", strings.Join(devices, ", "))
	pl.enforced(jail.StepStdio, "pipes only; every other descriptor closed; own session")
	return nil
}

// firstProcess puts the program of the first process in place.
func (pl *plan) firstProcess() error {
	s := &pl.spec
	s.Init = initPath
	if pl.init != "" {
		s.Binds = append(s.Binds, jail.Bind{Source: pl.init, Target: initPath})
		return nil
	}
	elf, err := spawn.InitELF()
	if err != nil {
		return fault.Newf(fault.Unsupported, "%s: %w", jail.StepCommand, err)
	}
	// Not readable by the sandbox, so the process is not dumpable and nobody
	// inside can open its memory.
	s.Files = append(s.Files, jail.File{Path: initPath, Data: elf, Mode: 0o111})
	return nil
}

func access(write bool) string {
	if write {
		return "read and write"
	}
	return "read"
}

// identityFiles are the files of /etc that say who is who.
func (pl *plan) identityFiles() []jail.File {
	uid, gid := pl.spec.UID, pl.spec.GID
	text := func(path, format string, args ...any) jail.File {
		return jail.File{Path: path, Mode: 0o644, Data: fmt.Appendf(nil, format, args...)}
	}
	return []jail.File{
		text("/etc/passwd", "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\nsandbox:x:%d:%d:sandbox:%s:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n", uid, gid, homePath),
		text("/etc/group", "root:x:0:\nsandbox:x:%d:\nnogroup:x:65534:\n", gid),
		text("/etc/hosts", "127.0.0.1 localhost %s\n::1 localhost\n", hostName),
		text("/etc/hostname", "%s\n", hostName),
		text("/etc/resolv.conf", "# no network\n"),
		text("/etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files\nnetworks: files\nprotocols: files\nservices: files\n"),
	}
}

// ownGrants are the folders that Bulkhead itself shows: payloads and the work
// folder.
func (pl *plan) ownGrants() ([]grant, error) {
	var own []grant
	add := func(source, target string, write bool) error {
		real, err := filepath.EvalSymlinks(source)
		if err != nil {
			return fault.Newf(fault.Unavailable, "%s: %w", jail.StepGrants, err)
		}
		info, err := os.Stat(real)
		if err != nil {
			return fault.Newf(fault.Unavailable, "%s: %w", jail.StepGrants, err)
		}
		st := info.Sys().(*syscall.Stat_t)
		own = append(own, grant{source: real, target: target, write: write, own: true, folder: info.IsDir(), owner: owner{int(st.Uid), int(st.Gid)}})
		return nil
	}
	if pl.req.Workspace != "" {
		if err := add(pl.req.Workspace, WorkPath, true); err != nil {
			return nil, err
		}
		pl.enforced(jail.StepGrants, "read and write %s (the work folder)", WorkPath)
	}
	for _, dir := range pl.req.ReadOnly {
		if err := add(dir, filepath.Clean(dir), false); err != nil {
			return nil, err
		}
	}
	for _, m := range pl.req.Mounts {
		if err := add(m.Source, m.Target, false); err != nil {
			return nil, err
		}
		pl.enforced(jail.StepGrants, "read %s", m.Target)
	}
	return own, nil
}

// landlock ties rights to the folders of the private root: the second wall
// around files.
func (pl *plan) landlock() error {
	facts := pl.layer.facts()
	abi := facts.abi
	switch {
	case facts.abiErr != nil:
		return pl.lacking(jail.StepLandlock, false, "%v", facts.abiErr)
	case abi == 0:
		return pl.lacking(jail.StepLandlock, false, "this kernel has no Landlock")
	}
	attr := landlock.RulesetAttr{FS: landlock.HandledFS(abi), Scoped: landlock.Scopes(abi)}
	if pl.req.Policy.Syscalls == policy.Strict {
		attr.Net = landlock.HandledNet(abi)
	}
	pl.spec.Landlock = &jail.Landlock{Attr: attr.Bytes(abi), Flags: landlock.RestrictFlags(abi)}

	read, all := landlock.ReadExec(abi), landlock.ReadWrite(abi)
	rule := func(path string, rights uint64) {
		pl.spec.Rules = append(pl.spec.Rules, jail.Rule{Path: path, Access: rights})
	}
	// Listing folders is allowed everywhere in the private root: it holds
	// nothing that is not granted. Reading a file needs a rule of its own.
	rule("/", landlock.ReadDir)
	rule(initPath, landlock.Execute|landlock.ReadFile)
	rule("/proc", landlock.Read()|landlock.WriteFile)
	rule("/dev", landlock.Device(abi))
	rule("/etc", read)
	for _, b := range slices.Concat(pl.below, pl.spec.Binds) {
		switch {
		case within(b.Target, "/etc"):
		case b.Write && b.Folder:
			rule(b.Target, all)
		case b.Write:
			rule(b.Target, fileOnly(all))
		case b.Folder:
			rule(b.Target, read)
		default:
			rule(b.Target, fileOnly(read))
		}
	}
	for _, t := range pl.spec.Tmpfs {
		rule(t.Target, all)
	}
	pl.enforced(jail.StepLandlock, "ABI %d: %d rules, all file rights, scopes %#x", abi, len(pl.spec.Rules), attr.Scoped)
	return nil
}

// fileOnly leaves out the rights that only folders have.
func fileOnly(rights uint64) uint64 {
	return rights & (landlock.Execute | landlock.ReadFile | landlock.WriteFile | landlock.Truncate)
}

// seccomp compiles the profile's table for this machine.
func (pl *plan) seccomp() error {
	pl.enforced(jail.StepCaps, "none")
	pl.enforced(jail.StepNoNewPrivs, "set")
	if pl.layer.lacks("seccomp") {
		return pl.lacking(jail.StepSeccomp, false, "this kernel has no seccomp filters")
	}
	_, filter := pl.filter()
	pl.spec.Listen = pl.req.Policy.TraceDenials
	code, err := compiled(filter)
	if err != nil {
		return fault.Newf(fault.Internal, "%s: %w", jail.StepSeccomp, err)
	}
	if pl.init != "" {
		code = seccomp.WithKey(code, pl.key)
	}
	pl.spec.Seccomp = code
	pl.enforced(jail.StepSeccomp, "profile %s, %d instructions", filter.Name, len(code))
	return nil
}

// cache of compiled filters, by name.
var cache sync.Map

func compiled(f seccomp.Filter) ([]unix.SockFilter, error) {
	if code, ok := cache.Load(f.Name); ok {
		return code.([]unix.SockFilter), nil
	}
	arch, err := seccomp.Native()
	if err != nil {
		return nil, err
	}
	code, err := f.Compile(arch)
	if err != nil {
		return nil, err
	}
	cache.Store(f.Name, code)
	return code, nil
}

// cgroup checks that the limits which only a cgroup can enforce will hold.
func (pl *plan) cgroup() error {
	facts := pl.layer.facts()
	pl.groups = facts.groups
	asked := pl.req.Policy.Limits
	for _, c := range []struct {
		name    string
		written bool
		detail  string
		instead string // what bounds it without a cgroup
	}{
		{"memory", asked.Memory > 0, fmt.Sprintf("%d MiB for all processes together", pl.limits.Memory>>20), ""},
		{"pids", asked.PIDs > 0, fmt.Sprintf("%d processes and threads", pl.limits.PIDs), "RLIMIT_NPROC"},
		{"cpu", asked.CPUs > 0, fmt.Sprintf("%.2f CPUs", pl.limits.CPUs), ""},
	} {
		have, name := facts.controllers[c.name], jail.StepCgroup+" "+c.name
		switch {
		case c.name == "cpu" && !c.written:
		case have.Usable:
			pl.enforced(name, "%s", c.detail)
			if have.Version == 1 {
				pl.spec.Groups++
			}
		case c.instead != "":
			pl.enforced(name, "%s, by %s of the sandbox's own user", c.detail, c.instead)
		default:
			if err := pl.lacking(name, !c.written, "%s", have.Why); err != nil {
				return err
			}
		}
	}
	return nil
}

// resources are the limits of each process.
func (pl *plan) resources() error {
	l := pl.limits
	pl.spec.Rlimits = []jail.Rlimit{
		// 1, not 0: with 0 the kernel still starts a core_pattern pipe handler.
		{Resource: unix.RLIMIT_CORE, Name: "RLIMIT_CORE", Value: 1},
		{Resource: unix.RLIMIT_NOFILE, Name: "RLIMIT_NOFILE", Value: uint64(l.OpenFiles)},
		{Resource: unix.RLIMIT_FSIZE, Name: "RLIMIT_FSIZE", Value: uint64(l.FileSize)},
		{Resource: unix.RLIMIT_NPROC, Name: "RLIMIT_NPROC", Value: uint64(l.PIDs)},
		{Resource: unix.RLIMIT_MEMLOCK, Name: "RLIMIT_MEMLOCK", Value: 64 << 10},
		{Resource: unix.RLIMIT_MSGQUEUE, Name: "RLIMIT_MSGQUEUE", Value: 819200},
	}
	pl.enforced(jail.StepRlimits, "%d open files, %d MiB a file, no core dumps", l.OpenFiles, l.FileSize>>20)
	return nil
}

// command looks the program up where the sandbox will see it and lays out its
// environment.
func (pl *plan) command(grants []grant) error {
	env := pl.environment()
	pl.env = env
	if pl.init != "" {
		pl.spec.Args, pl.spec.Dir = []string{"bulkhead-init"}, "/"
		pl.enforced(jail.StepDeath, "the sandbox ends with Bulkhead")
		pl.setEnv(env)
		return nil
	}
	file, err := lookup(pl.req, env["PATH"], grants)
	if err != nil {
		return err
	}
	pl.spec.Args = append([]string{file}, pl.req.Args...)
	pl.setEnv(env)
	pl.spec.Dir = pl.req.Dir
	if pl.spec.Dir == "" {
		pl.spec.Dir = WorkPath
	}
	pl.enforced(jail.StepDeath, "the sandbox ends with Bulkhead")
	return nil
}

// setEnv lays out the variables, sorted.
func (pl *plan) setEnv(env map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(env)) {
		pl.spec.Env = append(pl.spec.Env, k+"="+env[k])
	}
}

func (pl *plan) environment() map[string]string {
	env := maps.Clone(environment)
	for _, name := range pl.req.Policy.Env.Pass {
		if v, ok := os.LookupEnv(name); ok {
			env[name] = v
		}
	}
	maps.Copy(env, pl.req.Policy.Env.Set)
	maps.Copy(env, pl.req.Env)
	return env
}

// withDefaults fills in the limits that the policy leaves open.
func withDefaults(l policy.Limits) policy.Limits {
	d := policy.Defaults()
	fill(&l.Memory, d.Memory)
	fill(&l.CPUs, d.CPUs)
	fill(&l.PIDs, d.PIDs)
	fill(&l.OpenFiles, d.OpenFiles)
	fill(&l.FileSize, d.FileSize)
	fill(&l.Output, d.Output)
	fill(&l.WallTime, d.WallTime)
	fill(&l.Scratch, d.Scratch)
	return l
}

func fill[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Steps are the walls in the order in which they were planned.
func (pl *plan) Steps() []event.Step { return slices.Clone(pl.steps) }

// Describe names the launcher and what cannot be enforced here.
func (pl *plan) Describe() (string, []string) { return pl.layer.name, pl.missing }

// Print writes every kernel call in order, then the seccomp table.
func (pl *plan) Print(w io.Writer) error {
	if err := pl.program.Print(w); err != nil {
		return err
	}
	_, filter := pl.filter()
	if _, err := fmt.Fprintf(w, "\n# seccomp profile %s\n", filter.Name); err != nil {
		return err
	}
	filter.Print(w)
	return nil
}

// Close gives back the leased user, and the network that was not used.
func (pl *plan) Close() error {
	pl.closed.Do(func() {
		if pl.ordered.Swap(false) {
			pl.layer.networks.release()
		}
		if pl.user != nil {
			pl.layer.users.put(pl.user)
		}
	})
	return nil
}
