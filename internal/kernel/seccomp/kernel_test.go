//go:build linux

package seccomp

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
)

// load puts a shipped filter around this thread.
func load(t *testing.T, f Filter) Arch {
	t.Helper()
	a, err := Native()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Load(compile(t, f, a), 0); err != nil {
		t.Fatal(err)
	}
	return a
}

func needFilters(t *testing.T) {
	t.Helper()
	s := Probe()
	kerneltest.Need(t, "seccomp", s.Filters, s.Detail)
}

// Every refusal of the tables is asked of the kernel itself. Pointers are
// null, so that a call that got through would fail in another way.
func TestKernel_answersAsTheTablesSay(t *testing.T) {
	needFilters(t)
	kerneltest.InChild(t, func() {
		a := load(t, Default())
		for _, row := range defaultDecisions {
			want, refused := row.want.Errno()
			nr, ok := a.Numbers[row.call]
			if !refused || !ok {
				continue
			}
			_, _, got := unix.RawSyscall6(uintptr(nr), uintptr(row.args[0]), uintptr(row.args[1]), uintptr(row.args[2]),
				uintptr(row.args[3]), uintptr(row.args[4]), uintptr(row.args[5]))
			if got != want {
				t.Errorf("%s: %v, want %v", row.name, got, want)
			}
		}
	})
}

func TestKernel_letsThroughWhatTheTablesAllow(t *testing.T) {
	needFilters(t)
	kerneltest.InChild(t, func() {
		load(t, Default())
		for _, s := range allowedSockets {
			fd, err := unix.Socket(int(s.family), int(s.kind)|unix.SOCK_CLOEXEC, int(s.protocol))
			if err != nil {
				t.Errorf("socket(%d, %d, %d): %v", s.family, s.kind, s.protocol, err)
			}
			unix.Close(fd)
		}
		if err := unix.Prctl(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err != nil {
			t.Errorf("prctl: %v", err)
		}
	})
}

func TestKernel_killsForTheX32ABI(t *testing.T) {
	needFilters(t)
	kerneltest.Need(t, "amd64", AMD64.Audit == nativeAudit(t), "x32 is a matter of amd64")
	state, out := kerneltest.Child(t, func() {
		load(t, Default())
		_, _, errno := unix.RawSyscall(uintptr(x32Bit|39), 0, 0, 0)
		fmt.Println("survived:", errno)
	})
	if ws := state.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != syscall.SIGSYS {
		t.Errorf("child: %v, want SIGSYS\n%s", state, out)
	}
}

func nativeAudit(t *testing.T) uint32 {
	a, err := Native()
	if err != nil {
		t.Fatal(err)
	}
	return a.Audit
}

// shellLines are what people run in a strict step.
var shellLines = []struct{ name, shell, line, want string }{
	{"busybox pipeline", "busybox sh", `printf 'b\na\nc\n' | busybox sort | busybox head -n 2 | busybox tr a-z A-Z`, "A\nB\n"},
	{"busybox grep, wc and expansion", "busybox sh", `x=$(busybox grep -c root /etc/passwd); for i in 1 2 3; do x=$((x+i)); done; echo $((x>6))`, "1\n"},
	{"busybox listing", "busybox sh", `cd /usr && busybox ls -d /usr; pwd`, "/usr\n/usr\n"},
	{"busybox listing with names of users", "busybox sh", `busybox ls -ld / | busybox grep -c root`, "1\n"},
	{"dash pipeline", "dash", `printf 'b\na\n' | sort | head -n 1; echo done`, "a\ndone\n"},
	{"dash here-document and background", "dash", "cat <<X\nhello\nX\nsleep 0.01 & wait; echo $?", "hello\n0\n"},
	{"dash subshells and redirections", "dash", `(echo a; echo b >&2) 2>&1 | cat; kill -0 $$ && echo alive`, "a\nb\nalive\n"},
	{"dash trap and umask", "dash", `trap 'echo bye' EXIT; umask 077; umask`, "0077\nbye\n"},
	{"core utilities", "dash", `echo abc | sed s/b/x/ | tr c d; seq 3 | wc -l; expr 2 + 3; date +%s >/dev/null; basename /a/b`, "axd\n3\n5\nb\n"},
	{"awk and cut", "dash", `echo 'a:b c' | cut -d: -f2 | awk '{print $2}'; test -f /etc/passwd && echo yes`, "c\nyes\n"},
	{"bash", "bash", `echo a | { read x; echo "got $x"; }; y=$(cat /dev/null; echo b); echo $y; sleep 0.01 & wait`, "got a\nb\n"},
	{"find and grep", "dash", `find /etc/passwd -type f; grep -l root /etc/passwd; id -u >/dev/null && stat -c %U /`, "/etc/passwd\n/etc/passwd\nroot\n"},
	{"cat, md5sum, od, env", "dash", `cat /dev/null; printf x | md5sum | cut -c1-4; printf A | od -An -tx1; env -i printf ok`, "9dd4\n 41\nok"},
}

func TestStrict_runsShells(t *testing.T) {
	needFilters(t)
	for _, row := range shellLines {
		t.Run(row.name, func(t *testing.T) { runUnder(t, Strict(), row.shell, row.line, row.want) })
	}
}

func TestDefault_runsShells(t *testing.T) {
	needFilters(t)
	for _, row := range shellLines {
		t.Run(row.name, func(t *testing.T) { runUnder(t, Default(), row.shell, row.line, row.want) })
	}
}

// runUnder executes a shell inside a filter and compares what it prints.
func runUnder(t *testing.T, f Filter, shell, line, want string) {
	t.Helper()
	argv := append(strings.Fields(shell), "-c", line)
	path, err := exec.LookPath(argv[0])
	kerneltest.Need(t, argv[0], err == nil, fmt.Sprint(err))
	state, out := kerneltest.Child(t, func() {
		path, _ := syscall.BytePtrFromString(path)
		args, _ := syscall.SlicePtrFromStrings(argv)
		env, _ := syscall.SlicePtrFromStrings([]string{"PATH=/usr/bin:/bin", "LC_ALL=C"})
		load(t, f)
		execve(path, args, env)
	})
	if !state.Success() || out != want {
		t.Errorf("%s: %v\n got %q\nwant %q", line, state, out, want)
	}
}

// tools are what people run in an ordinary step. Each works in an empty
// folder, $W.
var tools = []struct{ name, tool, line, want string }{
	{"python threads and processes", "python3", `python3 -c '
import threading, subprocess, asyncio, multiprocessing as m
def f(x): return x + 1
t = threading.Thread(target=lambda: print("thread", flush=True)); t.start(); t.join()
print(subprocess.run(["echo", "sub"], capture_output=True, text=True).stdout, end="", flush=True)
with m.get_context("fork").Pool(2) as p: print(p.map(f, [1, 2]))
async def a():
    p = await asyncio.create_subprocess_exec("true"); print(await p.wait())
asyncio.run(a())'`, "thread\nsub\n[2, 3]\n0\n"},
	{"git", "git", `cd $W && git init -q . && echo x >f && git add f && git -c user.name=a -c user.email=a@b commit -qm m && git clone -q . c 2>/dev/null && cat c/f && git gc -q`, "x\n"},
	{"gcc and make", "gcc", `cd $W && printf '#include <stdio.h>\nint main(void) { puts("built"); }\n' >a.c && printf 'a: a.c\n\tgcc -o a a.c\n' >Makefile && make -s a && ./a`, "built\n"},
	{"node", "node", `node -e 'require("fs").readFile("/dev/null", () => console.log("read")); require("child_process").exec("echo sub", (e, o) => console.log(o.trim()))' | sort`, "read\nsub\n"},
	{"tar and core utilities", "tar", `cd $W && mkdir d && echo x >d/f && tar cf a.tar d && rm -r d && tar xf a.tar && cp -a d e && mv e g && chmod 755 g/f && touch -d 2020-01-01 g/f && ls g && timeout 5 nice env true && echo ok`, "f\nok\n"},
	{"a Go program", "go", `go version | cut -d' ' -f1-2`, "go version\n"},
}

func TestDefault_runsTools(t *testing.T) {
	needFilters(t)
	for _, row := range tools {
		t.Run(row.name, func(t *testing.T) {
			_, err := exec.LookPath(row.tool)
			kerneltest.Need(t, row.tool, err == nil, fmt.Sprint(err))
			dir := os.Getenv("SECCOMP_TEST_DIR")
			if dir == "" {
				dir = t.TempDir()
				t.Setenv("SECCOMP_TEST_DIR", dir)
			}
			line := fmt.Sprintf("export HOME=%s W=%s PATH=%q; %s", dir, dir, os.Getenv("PATH"), row.line)
			runUnder(t, Default(), "dash", line, row.want)
		})
	}
}

func TestStrict_killsATryForTheNetwork(t *testing.T) {
	needFilters(t)
	state, out := kerneltest.Child(t, func() {
		load(t, Strict())
		_, _ = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		fmt.Fprintln(os.Stderr, "survived")
	})
	if ws := state.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != syscall.SIGSYS {
		t.Errorf("child: %v, want SIGSYS\n%s", state, out)
	}
}
