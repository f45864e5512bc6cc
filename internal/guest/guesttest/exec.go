//go:build linux

package guesttest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest"
)

var execs = []test{
	{"streams go where they should", func(ctx context.Context, t *testing.T, g *Guest) {
		cmd := sh(g, "cat; echo err >&2")
		var out, errs bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("in\n"), &out, &errs
		exit, err := cmd.Run(ctx)
		if err != nil || exit.Code != 0 || out.String() != "in\n" || errs.String() != "err\n" {
			t.Errorf("Run = %+v, %v; stdout %q, stderr %q", exit, err, out.String(), errs.String())
		}
		if cmd.PID() == 0 {
			t.Error("PID = 0")
		}
	}},
	{"both outputs may be one", func(ctx context.Context, t *testing.T, g *Guest) {
		if got := output(ctx, t, g, "echo a; echo b >&2; echo c"); got != "a\nb\nc\n" {
			t.Errorf("output = %q, want all in order", got)
		}
	}},
	{"no stream is the null device", func(ctx context.Context, t *testing.T, g *Guest) {
		if exit, err := sh(g, "cat; echo x; echo y >&2").Run(ctx); err != nil || exit.Code != 0 {
			t.Errorf("Run = %+v, %v", exit, err)
		}
	}},
	{"how it ends is a value", func(ctx context.Context, t *testing.T, g *Guest) {
		for _, row := range []struct {
			script string
			code   int
			signal syscall.Signal
		}{
			{"exit 0", 0, 0},
			{"exit 3", 3, 0},
			{"exit 255", 255, 0},
			{"kill -KILL $$", -1, unix.SIGKILL},
			{"kill -TERM $$", -1, unix.SIGTERM},
			{"kill -SEGV $$", -1, unix.SIGSEGV},
		} {
			exit, err := sh(g, row.script).Run(ctx)
			if err != nil || exit.Code != row.code || exit.Signal != row.signal {
				t.Errorf("%s: %+v, %v; want code %d, signal %d", row.script, exit, err, row.code, row.signal)
			}
		}
	}},
	{"a program that is not there is a value", func(ctx context.Context, t *testing.T, g *Guest) {
		must(t, writeString(ctx, g, "plain", "x"))
		for _, row := range []struct {
			name string
			code int
		}{
			{"no-such-program", 127},
			{"/no/such/program", 127},
			{g.Path("plain"), 126},
			{g.Dir, 126},
			{"", 127},
		} {
			exit, err := g.Command(row.name).Run(ctx)
			if err != nil || exit.Code != row.code || exit.NotRun == nil {
				t.Errorf("%q: %+v, %v; want code %d", row.name, exit, err, row.code)
			}
		}
	}},
	{"the environment is its own", func(ctx context.Context, t *testing.T, g *Guest) {
		cmd := g.Command("/usr/bin/env")
		cmd.Env = []string{"A=1", "B=two words"}
		out, _, err := cmd.Output(ctx)
		if err != nil || string(out) != "A=1\nB=two words\n" {
			t.Errorf("env = %q, %v", out, err)
		}
	}},
	{"it starts in its folder", func(ctx context.Context, t *testing.T, g *Guest) {
		cmd := sh(g, "pwd")
		cmd.Dir = "/usr"
		if out, _, err := cmd.Output(ctx); err != nil || string(out) != "/usr\n" {
			t.Errorf("pwd = %q, %v", out, err)
		}
		cmd = sh(g, "pwd")
		cmd.Dir = "/no/such/folder"
		_, err := cmd.Run(ctx)
		if fault.KindOf(err) != fault.NotFound || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("missing folder: %v, want not found", err)
		}
	}},
	{"it is found in its own PATH", func(ctx context.Context, t *testing.T, g *Guest) {
		_, err := g.WriteFile(ctx, g.Path("mine"), strings.NewReader("#!/bin/sh\necho found\n"), guest.WriteOptions{Mode: 0o755})
		must(t, err)
		for _, path := range []string{g.Dir, "/nonexistent:" + g.Dir, "."} {
			cmd := g.Command("mine")
			cmd.Env, cmd.Dir = []string{"PATH=" + path}, g.Dir
			if out, exit, err := cmd.Output(ctx); err != nil || string(out) != "found\n" {
				t.Errorf("PATH=%s: %q, %+v, %v", path, out, exit, err)
			}
		}
	}},
	{"time is limited by SIGTERM and then SIGKILL", func(ctx context.Context, t *testing.T, g *Guest) {
		for _, row := range []struct {
			name, script string
			grace        time.Duration
			signal       syscall.Signal
		}{
			{"at once", "sleep 100", 0, unix.SIGKILL},
			{"asked", "sleep 100", time.Minute, unix.SIGTERM},
			{"asked in vain", "trap '' TERM; sleep 100; sleep 100", 100 * time.Millisecond, unix.SIGKILL},
		} {
			cmd := sh(g, row.script)
			cmd.Timeout, cmd.Grace = 200*time.Millisecond, row.grace
			exit, err := cmd.Run(ctx)
			if err != nil || !exit.TimedOut || exit.Signal != row.signal {
				t.Errorf("%s: %+v, %v; want timed out by %v", row.name, exit, err, row.signal)
			}
		}
	}},
	{"a command in time is not timed out", func(ctx context.Context, t *testing.T, g *Guest) {
		cmd := sh(g, "exit 4")
		cmd.Timeout = time.Minute
		if exit, err := cmd.Run(ctx); err != nil || exit.TimedOut || exit.Code != 4 {
			t.Errorf("Run = %+v, %v", exit, err)
		}
	}},
	{"the end of its context kills the group", func(ctx context.Context, t *testing.T, g *Guest) {
		short, cancel := context.WithCancel(ctx)
		cmd := sh(g, "sleep 1000 & echo up; wait")
		out := cmd.StdoutPipe()
		must(t, cmd.Start(short))
		_, err := io.ReadFull(out, make([]byte, 3))
		must(t, err)
		cancel()
		exit, err := cmd.Wait()
		if err != nil || !exit.Cancelled || exit.Signal != unix.SIGKILL {
			t.Errorf("Wait = %+v, %v; want cancelled", exit, err)
		}
		if _, err := io.ReadAll(out); err != nil { // ends only when sleep has gone too
			t.Errorf("stdout: %v", err)
		}
	}},
	{"signals reach the group", func(ctx context.Context, t *testing.T, g *Guest) {
		cmd := sh(g, "trap 'echo caught; exit 7' USR1; echo ready; while :; do sleep 0.01; done")
		out := cmd.StdoutPipe()
		must(t, cmd.Start(ctx))
		_, err := io.ReadFull(out, make([]byte, 6))
		must(t, err)
		must(t, cmd.Signal(ctx, unix.SIGUSR1))
		exit, err := cmd.Wait()
		rest, _ := io.ReadAll(out)
		if err != nil || exit.Code != 7 && exit.Signal != unix.SIGUSR1 || exit.Code == 7 && string(rest) != "caught\n" {
			t.Errorf("Wait = %+v, %v; rest %q", exit, err, rest)
		}
		if err := cmd.Signal(ctx, unix.SIGUSR1); fault.KindOf(err) != fault.NotFound {
			t.Errorf("signal after the end: %v, want not found", err)
		}
	}},
	{"each command has a session of its own", func(ctx context.Context, t *testing.T, g *Guest) {
		cmd := sh(g, "cut -d' ' -f1,5,6 /proc/self/stat; echo $$")
		out, _, err := cmd.Output(ctx)
		f := strings.Fields(string(out))
		if err != nil || len(f) != 4 || f[1] != f[3] || f[2] != f[3] {
			t.Errorf("pid, group, session of a child, and of its shell: %q, %v", out, err)
		}
	}},
	{"nothing else is open in it", func(ctx context.Context, t *testing.T, g *Guest) {
		if !g.First {
			return // what the test itself has inherited
		}
		cmd := sh(g, "exec ls /proc/self/fd")
		out, _, err := cmd.Output(ctx)
		if err != nil || strings.Join(strings.Fields(string(out)), " ") != "0 1 2 3" { // 3 is ls's own
			t.Errorf("open descriptors: %q, %v", out, err)
		}
	}},
	{"signals have their defaults", func(ctx context.Context, t *testing.T, g *Guest) {
		out := output(ctx, t, g, "grep -E '^Sig(Blk|Ign)' /proc/self/status")
		for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
			if !strings.HasSuffix(line, "0000000000000000") {
				t.Errorf("%s, want none", line)
			}
		}
	}},
	{"large streams come whole", func(ctx context.Context, t *testing.T, g *Guest) {
		data := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
		var out bytes.Buffer
		cmd := g.Command("/bin/cat")
		cmd.Stdin, cmd.Stdout = bytes.NewReader(data), &out
		if exit, err := cmd.Run(ctx); err != nil || exit.Code != 0 || !bytes.Equal(out.Bytes(), data) {
			t.Errorf("Run = %+v, %v; %d bytes of %d", exit, err, out.Len(), len(data))
		}
	}},
	{"input that is not read does not hold it up", func(ctx context.Context, t *testing.T, g *Guest) {
		cmd := g.Command("/bin/true")
		cmd.Stdin = bytes.NewReader(make([]byte, 1<<20))
		if exit, err := cmd.Run(ctx); err != nil || exit.Code != 0 {
			t.Errorf("Run = %+v, %v", exit, err)
		}
	}},
	{"output that is not wanted ends it", func(ctx context.Context, t *testing.T, g *Guest) {
		cmd := g.Command("/usr/bin/yes")
		out := cmd.StdoutPipe()
		must(t, cmd.Start(ctx))
		_, err := io.ReadFull(out, make([]byte, 1<<16))
		must(t, err)
		must(t, out.Close())
		exit, err := cmd.Wait()
		if err != nil || exit.Signal != unix.SIGPIPE && exit.Code != 1 {
			t.Errorf("Wait = %+v, %v; want a broken pipe", exit, err)
		}
	}},
	{"a writer that fails is told, and ends the copying", func(ctx context.Context, t *testing.T, g *Guest) {
		cmd := g.Command("/usr/bin/yes")
		cmd.Stdout = failing{}
		if _, err := cmd.Run(ctx); !errors.Is(err, errFull) {
			t.Errorf("Run: %v, want the writer's error", err)
		}
	}},
	{"a conversation is possible", func(ctx context.Context, t *testing.T, g *Guest) {
		cmd := g.Command("/bin/cat")
		in, out := cmd.StdinPipe(), cmd.StdoutPipe()
		must(t, cmd.Start(ctx))
		for i := range 100 {
			line := fmt.Sprintf("line %d\n", i)
			_, err := io.WriteString(in, line)
			must(t, err)
			got := make([]byte, len(line))
			if _, err := io.ReadFull(out, got); err != nil || string(got) != line {
				t.Fatalf("echo = %q, %v; want %q", got, err, line)
			}
		}
		must(t, in.Close())
		if exit, err := cmd.Wait(); err != nil || exit.Code != 0 {
			t.Errorf("Wait = %+v, %v", exit, err)
		}
	}},
	{"what outlives it keeps the stream, as long as it may", func(ctx context.Context, t *testing.T, g *Guest) {
		cmd := sh(g, "sleep 1000 & echo done")
		cmd.WaitDelay = 50 * time.Millisecond
		var out bytes.Buffer
		cmd.Stdout = &out
		exit, err := cmd.Run(ctx)
		if err != nil || exit.Code != 0 || out.String() != "done\n" {
			t.Errorf("Run = %+v, %v; stdout %q", exit, err, out.String())
		}
		list, err := g.Processes(ctx)
		must(t, err)
		for _, p := range list {
			if p.Exec == cmd.ID() {
				must(t, g.Kill(ctx, p, unix.SIGKILL))
			}
		}
	}},
	{"a filter of its own is loaded", func(ctx context.Context, t *testing.T, g *Guest) {
		cmd := sh(g, "true; exec cat /proc/self/status")
		cmd.Filter = refuse(unix.SYS_GETPPID, unix.EPERM)
		out, exit, err := cmd.Output(ctx)
		if fault.KindOf(err) == fault.Unsupported {
			t.Skip("this architecture cannot")
		}
		if err != nil || exit.Code != 0 || !strings.Contains(string(out), "Seccomp:\t2\n") {
			t.Errorf("Run = %+v, %v; status %q", exit, err, out)
		}
		cmd = g.Command("/bin/true")
		cmd.Filter = make([]byte, 8) // no return at its end
		if _, err := cmd.Run(ctx); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a filter that is none: %v, want invalid", err)
		}
	}},
	{"a hundred run at once", func(ctx context.Context, t *testing.T, g *Guest) {
		var group sync.WaitGroup
		for i := range 100 {
			group.Go(func() {
				cmd := sh(g, fmt.Sprintf("read x; echo $x; exit %d", i))
				var out bytes.Buffer
				cmd.Stdin, cmd.Stdout = strings.NewReader(fmt.Sprintf("n%d\n", i)), &out
				exit, err := cmd.Run(ctx)
				if err != nil || exit.Code != i || out.String() != fmt.Sprintf("n%d\n", i) {
					t.Errorf("command %d: %+v, %v, %q", i, exit, err, out.String())
				}
			})
		}
		group.Wait()
	}},
	{"arguments may be as large as the kernel takes", func(ctx context.Context, t *testing.T, g *Guest) {
		long := strings.Repeat("x", 100<<10)
		cmd := sh(g, `echo ${#1} $#`)
		cmd.Args = append(cmd.Args, "sh", long, long, long, long, long, long, long, long, long, long)
		if out, exit, err := cmd.Output(ctx); err != nil || string(out) != fmt.Sprintf("%d 10\n", len(long)) {
			t.Errorf("Run = %q, %+v, %v", out, exit, err)
		}
		cmd = g.Command("/bin/true", strings.Repeat("x", 1<<20))
		if _, err := cmd.Run(ctx); fault.KindOf(err) != fault.Invalid {
			t.Errorf("an argument of 1 MiB: %v, want invalid", err)
		}
	}},
	{"its use is counted", func(ctx context.Context, t *testing.T, g *Guest) {
		exit, err := sh(g, "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done").Run(ctx)
		if err != nil || exit.User+exit.System <= 0 || exit.MaxRSS <= 0 {
			t.Errorf("Run = %+v, %v; want CPU time and memory", exit, err)
		}
	}},
}

var errFull = errors.New("full")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errFull }

// refuse is a filter that answers one call with an error number.
func refuse(nr uint32, errno syscall.Errno) []byte {
	var b []byte
	for _, i := range []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 0, Jf: 1, K: nr},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	} {
		b = binary.NativeEndian.AppendUint16(b, i.Code)
		b = append(b, i.Jt, i.Jf)
		b = binary.NativeEndian.AppendUint32(b, i.K)
	}
	return b
}
