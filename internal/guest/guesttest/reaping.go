//go:build linux

package guesttest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest"
)

var reaping = []test{
	{"no status of thousands is lost", func(ctx context.Context, t *testing.T, g *Guest) {
		const workers, each = 8, 150
		var group sync.WaitGroup
		for w := range workers {
			group.Go(func() {
				for i := range each {
					want := (w*each + i) % 256
					cmd := g.Command("/bin/sh", "-c", fmt.Sprintf("exit %d", want))
					if exit, err := cmd.Run(ctx); err != nil || exit.Code != want {
						t.Errorf("exec: %+v, %v; want code %d", exit, err, want)
						return
					}
				}
			})
		}
		group.Wait()
	}},
	{"double forks neither lose a status nor stay", func(ctx context.Context, t *testing.T, g *Guest) {
		var group sync.WaitGroup
		for w := range 8 {
			group.Go(func() {
				for range 40 {
					cmd := sh(g, fmt.Sprintf("(true & true & true &) ; (sh -c 'exit 9' &) ; exit %d", w))
					if exit, err := cmd.Run(ctx); err != nil || exit.Code != w {
						t.Errorf("exec: %+v, %v; want code %d", exit, err, w)
						return
					}
				}
			})
		}
		group.Wait()
		if !g.First {
			return
		}
		eventually(t, "all orphans are reaped", func() bool {
			list, err := g.Processes(ctx)
			must(t, err)
			return len(list) == 0
		})
	}},
	{"a background process is listed and can be killed", func(ctx context.Context, t *testing.T, g *Guest) {
		cmd := sh(g, "sleep 4242 >/dev/null 2>&1 & exit 5")
		if exit, err := cmd.Run(ctx); err != nil || exit.Code != 5 {
			t.Fatalf("Run = %+v, %v", exit, err)
		}
		p := find(ctx, t, g, "sleep 4242")
		if p.Exec != cmd.ID() || p.Start == 0 || p.Session != cmd.PID() || p.State == 0 {
			t.Errorf("process = %+v, want one of exec %d, session %d", p, cmd.ID(), cmd.PID())
		}
		wrong := p
		wrong.Start++
		if err := g.Kill(ctx, wrong, unix.SIGKILL); fault.KindOf(err) != fault.NotFound {
			t.Errorf("kill of another start: %v, want not found", err)
		}
		must(t, g.Kill(ctx, p, unix.SIGKILL))
		eventually(t, "the process is gone", func() bool {
			return g.Kill(ctx, p, 0) != nil
		})
	}},
	{"a daemon in a session of its own is listed too", func(ctx context.Context, t *testing.T, g *Guest) {
		output(ctx, t, g, "setsid sleep 4343 >/dev/null 2>&1 </dev/null &")
		p := find(ctx, t, g, "sleep 4343")
		must(t, g.Kill(ctx, p, unix.SIGTERM))
		eventually(t, "the process is gone", func() bool {
			return g.Kill(ctx, p, 0) != nil
		})
	}},
	{"init cannot be killed by number", func(ctx context.Context, t *testing.T, g *Guest) {
		if err := g.Kill(ctx, guest.Process{PID: 1}, unix.SIGTERM); fault.KindOf(err) != fault.Denied {
			t.Errorf("Kill(1) = %v, want denied", err)
		}
	}},
	{"no signal from inside ends it", func(ctx context.Context, t *testing.T, g *Guest) {
		if !g.First {
			return
		}
		output(ctx, t, g, "for s in $(seq 1 64); do kill -$s 1 2>/dev/null; done; true")
		must(t, g.Ping(ctx))
	}},
	{"what it uses is added up", func(ctx context.Context, t *testing.T, g *Guest) {
		cmd := sh(g, "echo up; sleep 1000")
		out := cmd.StdoutPipe()
		must(t, cmd.Start(ctx))
		_, err := out.Read(make([]byte, 3))
		must(t, err)
		m, err := g.Metrics(ctx)
		if err != nil || m.Execs != 1 || m.Processes < 1 || m.Threads < m.Processes || m.RSS <= 0 {
			t.Errorf("Metrics = %+v, %v", m, err)
		}
		must(t, cmd.Signal(ctx, unix.SIGKILL))
		_, err = cmd.Wait()
		must(t, err)
		if m, err = g.Metrics(ctx); err != nil || m.Execs != 0 || m.Reaped < 1 {
			t.Errorf("Metrics = %+v, %v; want one reaped", m, err)
		}
	}},
	{"it stays the same size", func(ctx context.Context, t *testing.T, g *Guest) {
		if !g.First {
			return
		}
		before := output(ctx, t, g, "ls /proc/1/task | wc -l")
		for range 300 {
			var out bytes.Buffer
			cmd := g.Command("/bin/true")
			cmd.Stdout = &out
			if exit, err := cmd.Run(ctx); err != nil || exit.Code != 0 {
				t.Fatalf("Run = %+v, %v", exit, err)
			}
		}
		after := output(ctx, t, g, "ls /proc/1/task | wc -l")
		var b, a int
		_, _ = fmt.Sscan(before, &b)
		_, _ = fmt.Sscan(after, &a)
		if a > b+4 {
			t.Errorf("threads of init: %d before, %d after", b, a)
		}
	}},
}

// find waits until a process with that command line is there.
func find(ctx context.Context, t *testing.T, g *Guest, args string) guest.Process {
	t.Helper()
	var found guest.Process
	eventually(t, "process "+args+" is listed", func() bool {
		list, err := g.Processes(ctx)
		must(t, err)
		for _, p := range list {
			if strings.Join(p.Args, " ") == args {
				found = p
				return true
			}
		}
		return false
	})
	return found
}

// eventually fails the test when ok does not become true in half a minute.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}
