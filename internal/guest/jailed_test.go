//go:build linux

package guest_test

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/guest"
	"github.com/bulkhead-dev/bulkhead/internal/guest/guesttest"
	"github.com/bulkhead-dev/bulkhead/internal/jail"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/landlock"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/seccomp"
	"github.com/bulkhead-dev/bulkhead/internal/spawn"
)

// key is what lets init, and init alone, load filters in a jail.
var key = [2]uint64{0x0123456789abcdef, 0xfedcba9876543210}

func TestInit_servesInsideAllWalls(t *testing.T) {
	kerneltest.NeedRoot(t)
	kerneltest.Need(t, "amd64", runtime.GOARCH == "amd64", "the launcher has not been ported")
	for _, c := range carriers {
		t.Run(c.name, func(t *testing.T) {
			guesttest.Run(t, func(t testing.TB) *guesttest.Guest {
				g := &guesttest.Guest{Client: dialWith(t, c.wrap(imprison(t)), guest.Options{FilterKey: key}), Dir: "/tmp/test", First: true}
				if err := g.Mkdir(t.Context(), g.Dir, 0o755); err != nil {
					t.Fatal(err)
				}
				return g
			})
		})
	}
}

var launcher spawn.Launcher

// imprison starts the first process behind every wall that a native sandbox
// has: namespaces, a private root, another user, Landlock and the filter.
func imprison(t testing.TB) io.ReadWriteCloser {
	t.Helper()
	conn, fd := guesttest.Pair(t)
	defer unix.Close(fd)
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(null)
	spec := walls(t)
	params := jail.Params{Stdin: null, Stdout: null, Stderr: null, Status: fd}
	pid, pidfd, err := launcher.Start(spec.Program(0), params.List(spec), -1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
		_ = unix.Close(pidfd)
		_, _ = unix.Wait4(pid, nil, 0, nil)
	})
	return conn
}

func walls(t testing.TB) *jail.Spec {
	t.Helper()
	abi, err := landlock.ABI()
	if err != nil {
		t.Fatal(err)
	}
	attr := landlock.Handled(abi)
	s := &jail.Spec{
		Hostname: "sandbox", UID: 1879090001, GID: 1879090001,
		Devices:  []string{"null", "zero", "full", "random", "urandom"},
		Tmpfs:    []jail.Tmpfs{{Target: "/tmp", Size: 1 << 30, Mode: 0o1777}},
		ReadOnly: []string{"/proc/sys"},
		Landlock: &jail.Landlock{Attr: attr.Bytes(abi), Flags: landlock.RestrictFlags(abi)},
		Seccomp:  filter(t),
		Rlimits:  []jail.Rlimit{{Resource: unix.RLIMIT_CORE, Name: "RLIMIT_CORE", Value: 1}},
		Init:     "/.bulkhead/init", Args: []string{"bulkhead-init"}, Dir: "/tmp",
	}
	rule := func(path string, rights uint64) { s.Rules = append(s.Rules, jail.Rule{Path: path, Access: rights}) }
	rule("/", landlock.ReadDir)
	rule("/proc", landlock.Read()|landlock.WriteFile)
	rule("/dev", landlock.Device(abi))
	rule("/tmp", landlock.ReadWrite(abi))
	for _, dir := range []string{"/usr", "/bin", "/sbin", "/lib", "/lib64"} {
		if target, err := os.Readlink(dir); err == nil {
			s.Links = append(s.Links, jail.Link{Path: dir, Target: target})
			continue
		}
		if _, err := os.Stat(dir); err == nil {
			s.Binds = append(s.Binds, jail.Bind{Source: dir, Target: dir, Folder: true})
			rule(dir, landlock.ReadExec(abi))
		}
	}
	init, err := filepath.EvalSymlinks(initBinary(t))
	if err != nil {
		t.Fatal(err)
	}
	s.Binds = append(s.Binds, jail.Bind{Source: init, Target: s.Init})
	rule(s.Init, landlock.Execute|landlock.ReadFile)
	return s
}

// filter is the default one with a door for init.
func filter(t testing.TB) []unix.SockFilter {
	t.Helper()
	arch, err := seccomp.Native()
	if err != nil {
		t.Fatal(err)
	}
	f := seccomp.Default().With(seccomp.Rule{Call: "prctl", Then: seccomp.Allow, When: []seccomp.Cond{
		seccomp.Is(0, unix.PR_SET_SECCOMP), seccomp.Is(1, unix.SECCOMP_MODE_FILTER), seccomp.Is64(3, key[0]), seccomp.Is64(4, key[1]),
	}})
	code, err := f.Compile(arch)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// probes run inside; each must be refused.
var probes = []struct{ name, script string }{
	{"init's memory", "head -c1 /proc/1/mem"},
	{"init's descriptors", "ls /proc/1/fd/3"},
	{"init's environment", "cat /proc/1/environ"},
	{"init's program", "cat /proc/1/exe"},
	{"init's stack", "cat /proc/1/stack"},
	{"a filter without the key", `python3 -c '
import ctypes, errno, sys
libc = ctypes.CDLL(None, use_errno=True)
sys.exit(1 if libc.prctl(22, 2, 0, 0, 0) and ctypes.get_errno() == errno.EPERM else 0)'`},
	{"tracing init", `python3 -c '
import ctypes, sys
sys.exit(1 if ctypes.CDLL(None).ptrace(16, 1, 0, 0) else 0)'`},
}

func TestInit_isOutOfReachOfItsCommands(t *testing.T) {
	kerneltest.NeedRoot(t)
	kerneltest.Need(t, "amd64", runtime.GOARCH == "amd64", "the launcher has not been ported")
	g := dialWith(t, imprison(t), guest.Options{FilterKey: key})
	for _, p := range probes {
		cmd := g.Command("/bin/sh", "-c", p.script)
		cmd.Env = []string{"PATH=/usr/bin:/bin"}
		out, exit, err := cmd.CombinedOutput(t.Context())
		if err != nil || exit.Code == 0 {
			t.Errorf("%s: %+v, %v, %s; want it refused", p.name, exit, err, out)
		}
	}
}
