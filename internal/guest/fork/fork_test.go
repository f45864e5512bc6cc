//go:build linux

package fork

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run starts a command with a pipe for its output and returns that and how it
// ended.
func run(t *testing.T, c Command) (string, unix.WaitStatus, error) {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	out := int(w.Fd())
	c.Stdio = [3]int{-1, out, out}
	pid, err := Start(&c)
	_ = w.Close()
	if err != nil {
		return "", 0, err
	}
	b, err := io.ReadAll(r)
	must(t, err)
	var ws unix.WaitStatus
	_, err = unix.Wait4(pid, &ws, 0, nil)
	must(t, err)
	return string(b), ws, nil
}

// collect waits for a child.
func collect(pid int) { _, _ = unix.Wait4(pid, nil, 0, nil) }

func sh(script string) Command {
	return Command{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}}
}

func TestStart_runsTheProgram(t *testing.T) {
	c := sh("echo $0 $A; pwd; exit 5")
	c.Env = append(c.Env, "A=b c")
	c.Dir = "/usr"
	out, ws, err := run(t, c)
	if err != nil || ws.ExitStatus() != 5 || out != "sh b c\n/usr\n" {
		t.Errorf("run = %q, %v, %v", out, ws, err)
	}
}

func TestStart_givesASessionOfItsOwn(t *testing.T) {
	out, _, err := run(t, sh("echo $$; exec cut -d' ' -f1,5,6 /proc/self/stat"))
	f := strings.Fields(out)
	if err != nil || len(f) != 4 || f[0] != f[1] || f[1] != f[2] || f[2] != f[3] {
		t.Errorf("pid, then pid, group and session: %q, %v", out, err)
	}
}

func TestStart_namesTheStepThatFailed(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	must(t, os.WriteFile(plain, []byte("x"), 0o644))
	text := filepath.Join(t.TempDir(), "text")
	must(t, os.WriteFile(text, []byte("no program"), 0o755))
	null, err := os.Open("/dev/null")
	must(t, err)
	defer null.Close()
	for _, row := range []struct {
		name  string
		c     Command
		step  Step
		errno syscall.Errno
	}{
		{"a folder that is missing", Command{Path: "/bin/true", Dir: "/nonexistent"}, Dir, unix.ENOENT},
		{"a folder that is a file", Command{Path: "/bin/true", Dir: plain}, Dir, unix.ENOTDIR},
		{"a program that is missing", Command{Path: "/nonexistent"}, Execve, unix.ENOENT},
		{"a program that may not be run", Command{Path: plain}, Execve, unix.EACCES},
		{"a program that is none", Command{Path: text}, Execve, unix.ENOEXEC},
		{"a descriptor that is closed", Command{Path: "/bin/true", Stdio: [3]int{9999, -1, -1}}, Stdio, unix.EBADF},
		{"a descriptor that the child overwrites", Command{Path: "/bin/true", Stdio: [3]int{-1, 0, -1}}, Stdio, unix.EBADF},
		{"a terminal that is none", Command{Path: "/bin/true", Stdio: [3]int{int(null.Fd()), -1, -1}, TTY: true}, Terminal, unix.ENOTTY},
		{"a terminal that is missing", Command{Path: "/bin/true", TTY: true}, Terminal, unix.ENOTTY},
		{"a filter that does not return", Command{Path: "/bin/true", Filter: make([]byte, 8)}, Filter, unix.EINVAL},
		{"half a filter", Command{Path: "/bin/true", Filter: make([]byte, 7)}, Filter, unix.EINVAL},
		{"a filter that is too long", Command{Path: "/bin/true", Filter: make([]byte, 8*5000)}, Filter, unix.EINVAL},
	} {
		if row.c.Stdio == [3]int{} {
			row.c.Stdio = [3]int{-1, -1, -1}
		}
		_, err := Start(&row.c)
		var e *Error
		if !errors.As(err, &e) || e.Step != row.step || e.Errno != row.errno {
			t.Errorf("%s: %v, want %v: %v", row.name, err, row.step, row.errno)
		}
	}
	if _, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("a child is left: %v", err)
	}
}

func TestStart_passesNothingButStdio(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(secret, nil, 0o600))
	f, err := os.Open(secret) // O_CLOEXEC
	must(t, err)
	defer f.Close()
	out, _, err := run(t, sh("exec ls -l /proc/self/fd"))
	if err != nil || strings.Contains(out, "secret") {
		t.Errorf("descriptors of a child: %v\n%s", err, out)
	}
}

func TestStart_givesSignalsTheirDefaults(t *testing.T) {
	signal.Ignore(unix.SIGHUP)
	defer signal.Reset(unix.SIGHUP)
	out, _, err := run(t, Command{Path: "/bin/cat", Args: []string{"cat", "/proc/self/status"}})
	must(t, err)
	for _, line := range strings.Split(out, "\n") {
		for _, set := range []string{"SigBlk:", "SigCgt:"} {
			if strings.HasPrefix(line, set) && !strings.HasSuffix(line, "\t0000000000000000") {
				t.Errorf("%s, want none", line)
			}
		}
	}
}

// filter refuses one call with EPERM.
func filter(nr uint32) []byte {
	var b []byte
	for _, i := range []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: nr},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	} {
		b = binary.NativeEndian.AppendUint16(b, i.Code)
		b = append(b, i.Jt, i.Jf)
		b = binary.NativeEndian.AppendUint32(b, i.K)
	}
	return b
}

func TestStart_loadsTheFilterInTheChildAlone(t *testing.T) {
	kerneltest.Need(t, "amd64", runtime.GOARCH == "amd64", "filters need the assembly")
	c := sh("uname 2>/dev/null; echo $?; grep Seccomp: /proc/self/status")
	c.Filter = filter(unix.SYS_UNAME)
	out, _, err := run(t, c)
	if err != nil || !strings.HasPrefix(out, "1\nSeccomp:\t2") {
		t.Errorf("run = %q, %v; want uname refused", out, err)
	}
	status, err := os.ReadFile("/proc/thread-self/status")
	must(t, err)
	if !bytes.Contains(status, []byte("Seccomp:\t0")) {
		t.Error("the filter is ours too")
	}
}

func TestStart_filterMayRefuseAllButExecve(t *testing.T) {
	kerneltest.Need(t, "amd64", runtime.GOARCH == "amd64", "filters need the assembly")
	c := Command{Path: "/bin/true", Stdio: [3]int{-1, -1, -1}}
	c.Filter = filter(unix.SYS_PRCTL) // no other one could be loaded after it
	pid, err := Start(&c)
	must(t, err)
	collect(pid)
}

func TestStart_ofManyAtOnceLosesNone(t *testing.T) {
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for range 40 {
				c := Command{Path: "/bin/true", Args: []string{"true"}, Stdio: [3]int{-1, -1, -1}}
				pid, err := Start(&c)
				if err != nil {
					t.Errorf("Start = %v", err)
					return
				}
				var ws unix.WaitStatus
				if got, err := unix.Wait4(pid, &ws, 0, nil); got != pid || err != nil || ws.ExitStatus() != 0 {
					t.Errorf("wait = %d, %v, %v", got, ws, err)
				}
			}
		})
	}
	// Garbage is collected meanwhile: what the child's calls point at must
	// stay where it is.
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	group.Wait()
	close(stop)
}

func TestStart_leavesItsOwnProcessAlone(t *testing.T) {
	read := func() string {
		b, err := os.ReadFile("/proc/self/status")
		must(t, err)
		dir, err := os.Getwd()
		must(t, err)
		var kept []string
		for _, line := range strings.Split(string(b), "\n") {
			for _, key := range []string{"Umask", "SigBlk", "SigIgn", "SigCgt", "Cap", "NoNewPrivs", "Seccomp"} {
				if strings.HasPrefix(line, key) {
					kept = append(kept, line)
				}
			}
		}
		return dir + "\n" + strings.Join(kept, "\n")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := read()
	c := sh("true")
	c.Dir = "/usr"
	if runtime.GOARCH == "amd64" {
		c.Filter = filter(unix.SYS_UNAME)
	}
	_, _, err := run(t, c)
	must(t, err)
	if after := read(); after != before {
		t.Errorf("own process:\n%s\nwas:\n%s", after, before)
	}
}

func TestStep_hasAName(t *testing.T) {
	for s := Fork; s <= Execve; s++ {
		if s.String() == "" {
			t.Errorf("step %d has no name", s)
		}
	}
	if got := Step(99).String(); got != "step 99" {
		t.Errorf("step 99 = %q", got)
	}
}
