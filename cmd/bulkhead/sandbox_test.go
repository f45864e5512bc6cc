package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// startExec starts a command in box, and returns when it has printed a line.
func startExec(t *testing.T, env []string, script string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := self(env, "sandbox", "exec", "box", "--", "sh", "-c", "echo up; "+script)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	r := bufio.NewReader(out)
	if line, err := r.ReadString('\n'); line != "up\n" {
		t.Fatalf("printed %q, %v", line, err)
	}
	return cmd, r
}

func TestSandboxExec_passesSignalsOn(t *testing.T) {
	env := shellEnv(t)
	mustRun(t, env, "sandbox", "create", "box")
	defer mustRun(t, env, "sandbox", "rm", "--kill", "box")
	for _, sig := range []syscall.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP} {
		cmd, _ := startExec(t, env, "exec sleep 1000")
		_ = cmd.Process.Signal(sig)
		_ = cmd.Wait()
		if got, want := cmd.ProcessState.ExitCode(), 128+int(sig); got != want {
			t.Errorf("%v: exit code %d, want %d", sig, got, want)
		}
	}
}

func TestSandboxExec_theSecondSignalEndsIt(t *testing.T) {
	env := shellEnv(t)
	mustRun(t, env, "sandbox", "create", "box")
	defer mustRun(t, env, "sandbox", "rm", "--kill", "box")
	cmd, r := startExec(t, env, "trap 'echo heard' INT; trap '' TERM; while :; do sleep 0.1; done")
	time.Sleep(200 * time.Millisecond) // the traps are set
	_ = cmd.Process.Signal(unix.SIGINT)
	if line, err := r.ReadString('\n'); line != "heard\n" {
		t.Fatalf("printed %q, %v", line, err)
	}
	_ = cmd.Process.Signal(unix.SIGINT)
	_, _ = io.Copy(io.Discard, r)
	if err := cmd.Wait(); err == nil {
		t.Error("it ended with 0")
	}
}

// sandboxPID is the host's id of the first process of box.
func sandboxPID(t *testing.T, env []string) int {
	t.Helper()
	out, err := self(env, "sandbox", "show", "--json", "box").Output()
	var s struct{ PID int }
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	if err != nil || s.PID <= 1 {
		t.Fatalf("%s: %v", out, err)
	}
	return s.PID
}

// parent is the process that started another one.
func parent(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(line, "PPid:"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(v))
			if err != nil || n <= 1 {
				t.Fatalf("parent %q", v)
			}
			return n
		}
	}
	t.Fatal("no parent")
	return 0
}

func TestKeep_takesItsSandboxesAlongWhenItIsKilled(t *testing.T) {
	env := shellEnv(t)
	for range 3 {
		mustRun(t, env, "sandbox", "create", "box")
		mustRun(t, env, "sandbox", "exec", "--detach", "box", "--", "sleep", "1000")
		pid := sandboxPID(t, env)
		holder := parent(t, pid)
		if err := unix.Kill(holder, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for i := 0; ; i++ {
			if err := unix.Kill(pid, 0); errors.Is(err, unix.ESRCH) {
				break
			}
			if i == 1000 {
				t.Fatal("the sandbox outlives its holder")
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	mustRun(t, env, "sandbox", "create", "box")
	mustRun(t, env, "sandbox", "rm", "box")
}

func TestKeep_endsItsSandboxesWhenItIsAskedTo(t *testing.T) {
	env := shellEnv(t)
	mustRun(t, env, "sandbox", "create", "box")
	cmd, r := startExec(t, env, "trap 'echo asked; exit 0' TERM; sleep 1000 & wait")
	holder := parent(t, sandboxPID(t, env))
	if err := unix.Kill(holder, unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if line, err := r.ReadString('\n'); line != "asked\n" {
		t.Errorf("printed %q, %v", line, err)
	}
	_ = cmd.Wait()
}
