package native_test

import (
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/live"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/native"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/sandboxtest"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// holds is what this process holds of the kernel's.
type holds struct{ fds, children, mounts, goroutines int }

func count(t *testing.T) holds {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	children, err := os.ReadDir("/proc/self/task")
	must(t, err)
	n := 0
	for _, task := range children {
		list, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		n += len(strings.Fields(string(list)))
	}
	return holds{fds: len(fds), children: n, mounts: strings.Count(string(mounts), "\n"), goroutines: runtime.NumGoroutine()}
}

// Sandboxes come and go, with every way to fail on the way: nothing may stay.
func TestRun_leavesNothingBehind(t *testing.T) {
	each(t, func(t *testing.T, m *sandbox.Manager) {
		dir := t.TempDir()
		kinds := []func() sandbox.Request{
			func() sandbox.Request { return sh("true") },
			func() sandbox.Request { return sh("sleep 100 & exec >&- 2>&-; (setsid sleep 100 &) ; exit 3") },
			func() sandbox.Request { return sandbox.Request{Args: []string{"no-such-program"}} },
			func() sandbox.Request { return sandbox.Request{Args: []string{"/nonexistent"}} },
			func() sandbox.Request { r := sh("true"); r.Dir = "/nonexistent"; return r },
			func() sandbox.Request { r := sh("true"); r.Workspace = "/nonexistent"; return r },
			func() sandbox.Request { r := sh("true"); r.Policy.TraceDenials = true; return r },
			func() sandbox.Request {
				r := sh("true")
				r.Policy = policy.Policy{}.With(policy.Writable(dir))
				return r
			},
			func() sandbox.Request { r := sh("kill -9 $$"); return r },
		}
		round := func(n int) {
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for i := range n {
						_, _ = m.Run(t.Context(), kinds[i%len(kinds)](), sandbox.IO{})
					}
				})
			}
			wg.Wait()
		}
		round(len(kinds)) // what is made once: templates, users, id maps
		before := count(t)
		round(4 * len(kinds))
		after := count(t)
		for range 100 {
			if after.goroutines <= before.goroutines {
				break
			}
			time.Sleep(10 * time.Millisecond) // they end by themselves
			after = count(t)
		}
		// Users and their templates are kept for the next sandboxes.
		if after.fds > before.fds+12 || after.children > before.children || after.mounts > before.mounts || after.goroutines > before.goroutines {
			t.Errorf("before %+v, after %+v", before, after)
		}
	})
}

// Live sandboxes too, however they end.
func TestBoot_leavesNothingBehind(t *testing.T) {
	for _, name := range launchers {
		t.Run(name, func(t *testing.T) {
			m := sandbox.New(native.New(native.Options{Launcher: name, LeaseDir: leaseDir(t), Init: sandboxtest.Init(t)}))
			ends := []func(*live.Sandbox){
				func(s *live.Sandbox) { must(t, s.Close()) },
				func(s *live.Sandbox) { must(t, s.Kill()) },
				func(s *live.Sandbox) { must(t, unix.Kill(s.PID(), unix.SIGKILL)); <-s.Done() },
				func(s *live.Sandbox) { _ = s.Pause(); must(t, s.Close()) },
				func(s *live.Sandbox) { must(t, s.Client.Close()); <-s.Done() },
			}
			round := func(n int) {
				var wg sync.WaitGroup
				for range 2 {
					wg.Go(func() {
						for i := range n {
							s, err := live.Open(t.Context(), m, sandbox.Request{}, live.Options{Idle: time.Hour})
							if err != nil {
								t.Error(err)
								return
							}
							_, _, _ = s.Command("sh", "-c", "sleep 100 >/dev/null 2>&1 & echo x").CombinedOutput(t.Context())
							ends[i%len(ends)](s)
						}
					})
				}
				wg.Wait()
				_, err := m.Boot(t.Context(), sandbox.Request{Workspace: "/nonexistent"})
				if err == nil {
					t.Error("a work folder that is missing was taken")
				}
			}
			round(len(ends))
			before := count(t)
			round(3 * len(ends))
			after := count(t)
			for range 200 {
				if after.goroutines <= before.goroutines {
					break
				}
				time.Sleep(10 * time.Millisecond)
				after = count(t)
			}
			if after.fds > before.fds+4 || after.children > before.children || after.mounts > before.mounts || after.goroutines > before.goroutines {
				t.Errorf("before %+v, after %+v", before, after)
			}
		})
	}
}

func TestClose_givesTheUsersBack(t *testing.T) {
	kerneltest.NeedRoot(t)
	dir := t.TempDir() + "/uids"
	l := native.New(native.Options{LeaseDir: dir})
	m := sandbox.New(l)
	for range 2 { // before and after a Close
		run(t, m, sh("true"), sandbox.IO{})
		must(t, m.Close())
		must(t, m.Close())
		left, err := os.ReadDir(dir)
		must(t, err)
		if len(left) != 0 {
			t.Errorf("%d leases left", len(left))
		}
	}
}
