package spawn

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// echo is a program that writes to the fd in its only parameter and runs true.
func echo(text string) *Program {
	p := new(Program)
	out := p.Param()
	p.Step("write")
	p.Call("write", unix.SYS_WRITE, out.Value(), Str(text), Int(len(text)))
	p.Step("command")
	p.Call("rt_sigprocmask", unix.SYS_RT_SIGPROCMASK, Flag(unix.SIG_SETMASK, "SIG_SETMASK"), Data(make([]byte, 8), "{}"), Int(0), Int(8))
	p.Call("execve", unix.SYS_EXECVE, Str("/bin/true"), Vector("[true]", Str("true"), Int(0)), Vector("[]", Int(0)))
	return p
}

func TestLauncher_runsTheTableThenTheCommand(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var l Launcher
	pid, pidfd, err := l.Start(echo("hello"), []int{int(w.Fd())}, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	var ws unix.WaitStatus
	if _, err := unix.Wait4(pid, &ws, 0, nil); err != nil || ws.ExitStatus() != 0 {
		t.Errorf("wait = %v, %v, want exit 0", ws, err)
	}
	got := make([]byte, 16)
	n, _ := r.Read(got)
	if string(got[:n]) != "hello" {
		t.Errorf("output = %q, want %q", got[:n], "hello")
	}
}

func TestLauncher_namesTheCallThatFailed(t *testing.T) {
	p := new(Program)
	p.Step("first")
	p.Call("getpid", unix.SYS_GETPID)
	p.Call("close", unix.SYS_CLOSE, Int(9999)).Optional()
	p.Step("second")
	p.Call("chdir", unix.SYS_CHDIR, Str("/nonexistent"))

	var l Launcher
	_, _, err := l.Start(p, nil, -1)
	var step *StepError
	if !errors.As(err, &step) {
		t.Fatalf("Start = %v, want a StepError", err)
	}
	if step.Step != "second" || step.Errno != unix.ENOENT || step.Call != `chdir("/nonexistent")` {
		t.Errorf("StepError = %+v, want second, chdir, ENOENT", step)
	}
}

func TestLauncher_refusesATableWithoutExecve(t *testing.T) {
	p := new(Program)
	p.Call("getpid", unix.SYS_GETPID)
	var l Launcher
	if _, _, err := l.Start(p, nil, -1); !errors.Is(err, unix.ENOSYS) {
		t.Errorf("Start = %v, want ENOSYS", err)
	}
}

func TestLauncher_passesResultsThroughSlots(t *testing.T) {
	p := new(Program)
	out := p.Param()
	pair := p.Slot(2)
	fd := p.Slot(1)
	p.Set(pair, 'A')
	p.Call("open", unix.SYS_OPEN, Str("/dev/null"), Int(0), Int(0)).Into(fd)
	p.Call("close", unix.SYS_CLOSE, fd.Value())
	p.Call("write", unix.SYS_WRITE, out.Value(), pair.Addr("&A"), Int(1))
	p.Call("exit_group", unix.SYS_EXIT_GROUP, Int(0))

	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var l Launcher
	pid, pidfd, err := l.Start(p, []int{int(w.Fd())}, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	_, _ = unix.Wait4(pid, nil, 0, nil)
	got := make([]byte, 4)
	if n, _ := r.Read(got); n != 1 || got[0] != 'A' {
		t.Errorf("output = %q, want A", got[:n])
	}
}
