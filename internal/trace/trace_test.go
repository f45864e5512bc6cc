//go:build linux

package trace

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/event"
)

// victims are what runs inside: each tries one thing after the other and
// prints how the kernel answered.
var victims = map[string]func(args []string){
	"open": func(args []string) {
		for _, a := range args {
			try("open "+a, func() error { _, err := unix.Open(a, unix.O_RDONLY|unix.O_CLOEXEC, 0); return err })
		}
	},
	"write": func(args []string) {
		for _, a := range args {
			try("write "+a, func() error { _, err := unix.Open(a, unix.O_WRONLY|unix.O_CLOEXEC, 0); return err })
		}
	},
	"create": func(args []string) {
		for _, a := range args {
			try("create "+a, func() error { _, err := unix.Open(a, unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o600); return err })
		}
	},
	"change": func(args []string) {
		a, b := args[0], args[1]
		try("unlink", func() error { return unix.Unlink(a) })
		try("mkdir", func() error { return unix.Mkdir(a+"-new", 0o700) })
		try("rename", func() error { return unix.Rename(a, b) })
		try("truncate", func() error { return unix.Truncate(a, 0) })
		try("chmod", func() error { return unix.Chmod(a, 0o600) })
		try("symlink", func() error { return unix.Symlink("x", a+"-link") })
		try("link", func() error { return unix.Link(a, b) })
		try("utime", func() error { return unix.UtimesNanoAt(unix.AT_FDCWD, a, make([]unix.Timespec, 2), 0) })
	},
	"relative": func(args []string) {
		try("chdir", func() error { return unix.Chdir(args[0]) })
		try("open", func() error { _, err := unix.Open(args[1], unix.O_RDONLY, 0); return err })
		dir, _ := unix.Open(args[0], unix.O_PATH|unix.O_DIRECTORY, 0)
		try("openat", func() error { _, err := unix.Openat(dir, args[1], unix.O_RDONLY, 0); return err })
	},
	"kill": func(args []string) {
		pid, _ := strconv.Atoi(args[0])
		try("kill", func() error { return unix.Kill(pid, unix.SIGKILL) })
		try("pidfd", func() error { _, err := unix.PidfdOpen(pid, 0); return err })
		try("proc", func() error { _, err := unix.Open("/proc/"+args[0]+"/environ", unix.O_RDONLY, 0); return err })
		try("self", func() error { return unix.Kill(unix.Getpid(), 0) })
		try("group", func() error { return unix.Kill(0, 0) })
	},
	"connect": func(args []string) {
		port, _ := strconv.Atoi(args[0])
		try("outside", func() error { return connect(&unix.SockaddrInet4{Addr: [4]byte{192, 0, 2, 1}, Port: 443}) })
		try("outside6", func() error { return connect(&unix.SockaddrInet6{Addr: [16]byte{0x20, 1, 0xd, 0xb8, 15: 1}, Port: 80}) })
		try("host", func() error { return connect(&unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port}) })
		try("nobody", func() error { return connect(&unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 1}) })
		try("file", func() error { return connect(&unix.SockaddrUnix{Name: args[1]}) })
		try("abstract", func() error { return connect(&unix.SockaddrUnix{Name: "@" + args[2]}) })
		try("datagram", func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
			if err != nil {
				return err
			}
			return unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrInet4{Addr: [4]byte{192, 0, 2, 2}, Port: 53})
		})
	},
	"own": func([]string) {
		try("listen", func() error {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			c, err := net.Dial("tcp", l.Addr().String())
			if err == nil {
				c.Close()
			}
			return err
		})
		try("bind", func() error {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			return unix.Bind(fd, &unix.SockaddrUnix{Name: "/work/s"})
		})
	},
	"table": func([]string) {
		try("algorithm", func() error { _, err := unix.Socket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0); return err })
		try("mount", func() error { return unix.Mount("x", "/work", "tmpfs", 0, "") })
		try("setuid", func() error {
			_, err := unix.Open("/work/f", unix.O_CREAT|unix.O_WRONLY, 0o600)
			if err != nil {
				return err
			}
			return unix.Chmod("/work/f", 0o4755)
		})
		try("create setuid", func() error { _, err := unix.Open("/work/g", unix.O_CREAT|unix.O_WRONLY, 0o4755); return err })
		try("unshare", func() error { return unix.Unshare(unix.CLONE_NEWUSER) })
		try("openat2", func() error { _, err := unix.Openat2(unix.AT_FDCWD, "/work", &unix.OpenHow{}); return err })
	},
	"ordinary": func([]string) {
		for _, p := range []string{"/proc/self/status", "/proc/mounts", "/dev/fd/0", "/usr/bin/env", "/work", "/proc/self/fd/../status"} {
			try("open "+p, func() error { _, err := unix.Open(p, unix.O_RDONLY, 0); return err })
		}
		try("scratch", func() error { return os.WriteFile("/work/etc", []byte("x"), 0o600) })
		try("missing", func() error { _, err := unix.Open("/work/tmp", unix.O_RDONLY, 0); return err })
		try("null", func() error { return os.WriteFile("/dev/null", []byte("x"), 0o600) })
	},
	"pointers": func([]string) {
		for i, a := range []uintptr{0, 1, ^uintptr(0), 1 << 62} {
			_, _, errno := unix.Syscall6(unix.SYS_OPENAT, 3, a, 0, 0, 0, 0)
			fmt.Println("pointer", i, errno == unix.EFAULT)
		}
	},
	"many": func([]string) {
		for i := range 300 {
			_, _ = unix.Socket(unix.AF_ALG, i, i)
		}
	},
}

func try(what string, f func() error) {
	if err := f(); err != nil {
		fmt.Printf("%s: %s\n", what, unix.ErrnoName(err.(unix.Errno)))
		return
	}
	fmt.Printf("%s: ok\n", what)
}

func connect(to unix.Sockaddr) error {
	domain := unix.AF_INET
	switch to.(type) {
	case *unix.SockaddrInet6:
		domain = unix.AF_INET6
	case *unix.SockaddrUnix:
		domain = unix.AF_UNIX
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, to)
}

// said fails the test unless the victim printed each line.
func said(t *testing.T, out string, want ...string) {
	t.Helper()
	for _, line := range want {
		if !strings.Contains("\n"+out, "\n"+line+"\n") {
			t.Errorf("the victim did not print %q:\n%s", line, out)
		}
	}
}

func hostFile(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRun_namesAHiddenFileAndItsGrant(t *testing.T) {
	hidden, nowhere := hostFile(t, "hidden"), "/no/such/file"
	out, denials := run(t, Config{}, victim("open", hidden, "/etc/shadow", nowhere, "/usr/bin/env", hidden))
	said(t, out, "open "+hidden+": ENOENT", "open /etc/shadow: ENOENT", "open "+nowhere+": ENOENT", "open /usr/bin/env: ok")
	expect(t, denials, event.Denial{Operation: "open", Object: hidden, Step: "private root", Grant: "--read " + hidden})
	expect(t, denials, event.Denial{Operation: "open", Object: "/etc/shadow", Step: "private root", Grant: "--read /etc/shadow"})
	unexpected(t, denials, nowhere)
	unexpected(t, denials, "/usr/bin/env")
	if d, _ := find(denials, "open", hidden); d.Count != 2 {
		t.Errorf("Count = %d, want 2", d.Count)
	}
}

func TestRun_namesAHiddenFileThatIsWritten(t *testing.T) {
	hidden := hostFile(t, "hidden")
	out, denials := run(t, Config{}, victim("create", hidden, filepath.Dir(hidden)+"/new"))
	said(t, out, "create "+hidden+": ENOENT")
	expect(t, denials, event.Denial{Operation: "create", Object: hidden, Step: "private root", Grant: "--write " + filepath.Dir(hidden)})
	expect(t, denials, event.Denial{Operation: "create", Object: filepath.Dir(hidden) + "/new", Step: "private root", Grant: "--write " + filepath.Dir(hidden)})
}

func TestRun_namesAReadOnlyFile(t *testing.T) {
	shown := hostFile(t, "shown")
	dir := filepath.Dir(shown)
	b := victim("write", shown)
	b.Show = []string{dir}
	out, denials := run(t, Config{}, b)
	said(t, out, "write "+shown+": EROFS")
	expect(t, denials, event.Denial{Operation: "write", Object: shown, Step: "read-only mount", Grant: "--write " + shown})

	b = victim("create", dir+"/new", "/usr/new", "/new")
	b.Show = []string{dir}
	out, denials = run(t, Config{}, b)
	said(t, out, "create "+dir+"/new: EROFS", "create /usr/new: EROFS", "create /new: EROFS")
	expect(t, denials, event.Denial{Operation: "create", Object: dir + "/new", Step: "read-only mount", Grant: "--write " + dir})
	expect(t, denials, event.Denial{Operation: "create", Object: "/usr/new", Step: "read-only mount"})
	expect(t, denials, event.Denial{Operation: "create", Object: "/new", Step: "read-only mount"})
}

func TestRun_namesEveryChangeOfAReadOnlyFolder(t *testing.T) {
	shown := hostFile(t, "shown")
	dir := filepath.Dir(shown)
	b := victim("change", shown, dir+"/other")
	b.Show = []string{dir}
	out, denials := run(t, Config{}, b)
	for operation, object := range map[string]string{
		"unlink": shown, "mkdir": shown + "-new", "rename": shown, "truncate": shown, "chmod": shown,
		"symlink": shown + "-link", "link": dir + "/other", "utime": shown,
	} {
		said(t, out, operation+": EROFS")
		granted := dir
		if operation == "truncate" || operation == "chmod" || operation == "utime" {
			granted = shown
		}
		expect(t, denials, event.Denial{Operation: operation, Object: object, Step: "read-only mount", Grant: "--write " + granted})
	}
}

func TestRun_letsAWritableFolderBe(t *testing.T) {
	shown := hostFile(t, "shown")
	dir := filepath.Dir(shown)
	b := victim("create", dir+"/new", shown)
	b.Write = []string{dir}
	out, denials := run(t, Config{}, b)
	said(t, out, "create "+dir+"/new: ok", "create "+shown+": ok")
	unexpected(t, denials, dir)
}

func TestRun_resolvesRelativePaths(t *testing.T) {
	hidden := hostFile(t, "hidden")
	up := strings.Repeat("../", 3) + hidden[1:]
	out, denials := run(t, Config{}, victim("relative", "/usr/bin", up))
	said(t, out, "chdir: ok", "open: ENOENT", "openat: ENOENT")
	d, ok := find(denials, "open", hidden)
	if !ok || d.Count != 2 {
		t.Errorf("denial %+v, want two\n%s", d, lines(denials))
	}
}

func TestRun_namesAProcessOfTheHost(t *testing.T) {
	other := exec.Command("sleep", "99")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	pid := strconv.Itoa(other.Process.Pid)
	out, denials := run(t, Config{}, victim("kill", pid))
	said(t, out, "kill: ESRCH", "pidfd: ESRCH", "proc: ENOENT", "self: ok", "group: ok")
	for operation, object := range map[string]string{"kill": "process " + pid, "pidfd_open": "process " + pid, "open": "/proc/" + pid + "/environ"} {
		expect(t, denials, event.Denial{Operation: operation, Object: object, Step: "pid namespace"})
	}
	for _, d := range denials {
		if d.Step == "pid namespace" && !strings.Contains(d.Object, pid) {
			t.Errorf("a process of the sandbox was taken for the host's: %+v", d)
		}
	}
}

func TestRun_namesTheNetwork(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	file := filepath.Join(t.TempDir(), "s")
	local, err := net.Listen("unix", file)
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	name := fmt.Sprintf("bulkhead-trace-%d", os.Getpid())
	abstract, err := net.Listen("unix", "@"+name)
	if err != nil {
		t.Fatal(err)
	}
	defer abstract.Close()

	_, port, _ := net.SplitHostPort(tcp.Addr().String())
	out, denials := run(t, Config{}, victim("connect", port, file, name))
	said(t, out, "outside: ENETUNREACH", "outside6: ENETUNREACH", "host: ECONNREFUSED", "nobody: ECONNREFUSED",
		"file: ENOENT", "abstract: ECONNREFUSED", "datagram: ENETUNREACH")
	for _, d := range []event.Denial{
		{Operation: "connect", Object: "192.0.2.1:443", Step: "network namespace"},
		{Operation: "connect", Object: "[2001:db8::1]:80", Step: "network namespace"},
		{Operation: "connect", Object: "127.0.0.1:" + port, Step: "network namespace"},
		{Operation: "connect", Object: file, Step: "private root"},
		{Operation: "connect", Object: "@" + name, Step: "network namespace"},
		{Operation: "send", Object: "192.0.2.2:53", Step: "network namespace"},
	} {
		expect(t, denials, d)
	}
	unexpected(t, denials, "127.0.0.1:1 ")
	if _, ok := find(denials, "connect", "127.0.0.1:1"); ok {
		t.Error("a port where nobody listens anywhere was reported")
	}
}

func TestRun_letsTheSandboxesOwnNetworkBe(t *testing.T) {
	out, denials := run(t, Config{}, victim("own"))
	said(t, out, "listen: ok", "bind: ok")
	unexpected(t, denials, "127.0.0.1")
	unexpected(t, denials, "/work")
}

func TestRun_namesWhatTheTableRefuses(t *testing.T) {
	out, denials := run(t, Config{}, victim("table"))
	said(t, out, "algorithm: EAFNOSUPPORT", "mount: EPERM", "setuid: EPERM", "create setuid: EPERM", "unshare: EPERM", "openat2: ENOSYS")
	for _, d := range []event.Denial{
		{Operation: "socket", Object: "family 38, type 5, protocol 0", Step: "seccomp"},
		{Operation: "mount", Object: "outside the profile default", Step: "seccomp"},
		{Operation: "openat", Object: "mode 04755", Step: "seccomp"},
		{Operation: "unshare", Object: "outside the profile default", Step: "seccomp"},
	} {
		expect(t, denials, d)
	}
	for _, d := range denials {
		if d.Operation == "openat2" || d.Operation == "clone3" {
			t.Errorf("a call that is not offered was reported: %+v", d)
		}
	}
}

func TestRun_letsOrdinaryThingsBe(t *testing.T) {
	out, denials := run(t, Config{}, victim("ordinary"))
	said(t, out, "open /proc/self/status: ok", "open /proc/mounts: ok", "open /usr/bin/env: ok",
		"open /work: ok", "scratch: ok", "missing: ENOENT", "null: ok")
	for _, object := range []string{"/proc", "/work", "/usr", "/dev"} {
		unexpected(t, denials, object)
	}
}

func TestRun_passesBadPointersOn(t *testing.T) {
	out, _ := run(t, Config{}, victim("pointers"))
	said(t, out, "pointer 0 true", "pointer 1 true", "pointer 2 true", "pointer 3 true")
}

func TestRun_namesTheLimitOfProcesses(t *testing.T) {
	b := box{Args: []string{"/bin/sh", "-c", "/usr/bin/env; echo after"}}
	out, denials := run(t, Config{Tasks: func() (int64, int64) { return 4, 4 }}, b)
	if strings.Contains(out, "PATH=") {
		t.Errorf("forked at the limit:\n%s", out)
	}
	expect(t, denials, event.Denial{Operation: "fork", Object: "more than 4 processes", Step: "cgroup pids", Grant: "limits.pids"})
}

func TestRun_keepsABoundedNumberOfDenials(t *testing.T) {
	_, denials := run(t, Config{Max: 20}, victim("many"))
	if len(denials) != 21 {
		t.Fatalf("%d denials, want 20 and the rest", len(denials))
	}
	if rest := denials[20]; rest.Operation != "other" || rest.Count < 250 {
		t.Errorf("the rest: %+v", rest)
	}
}

func TestRun_toleratesTheDeathOfTheSandbox(t *testing.T) {
	_, _ = run(t, Config{}, box{Args: []string{"/bin/sh", "-c", "cat /etc/shadow & cat /etc/shadow & kill -9 $$"}})
}

func TestRun_refusesWhatItFailsToJudge(t *testing.T) {
	stuck := make(chan struct{})
	t.Cleanup(func() { close(stuck) })
	rows := []struct {
		name, why string
		tasks     func() (int64, int64)
	}{
		{"a failure", "the supervisor failed", func() (int64, int64) { panic("a failure inside") }},
		{"no answer", "no answer in time", func() (int64, int64) { <-stuck; return 0, 0 }},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			b := box{Args: []string{"/bin/sh", "-c", "/usr/bin/env; echo after"}}
			out, denials := run(t, Config{Patience: 50 * time.Millisecond, Tasks: row.tasks}, b)
			if strings.Contains(out, "PATH=") {
				t.Errorf("went on:\n%s", out)
			}
			reported := func(d event.Denial) bool { return d.Object == row.why && d.Step == "trace" }
			if !slices.ContainsFunc(denials, reported) {
				t.Errorf("%q is not reported:\n%s", row.why, lines(denials))
			}
		})
	}
}

func TestRun_letsGoWhenItsContextEnds(t *testing.T) {
	_, denials := runUntil(t, box{Args: []string{"/bin/sh", "-c", "echo started; while :; do /usr/bin/env >/work/f || exit 3; done"}})
	unexpected(t, denials, "/work")
}
