package sandboxtest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/live"
)

// stockCases are a part of the suite of live sandboxes.
var stockCases = []liveCase{
	{"opens many at once, each on its own", liveManySandboxes},
	{"a stock gives each sandbox away once", stockOnce},
	{"a stock fills itself again", stockRefills},
	{"a stock gives away no dead one", stockDead},
	{"a stock that cannot be filled says why", stockBroken},
	{"a closed stock keeps none", stockClosed},
}

func liveManySandboxes(t *testing.T, m *sandbox.Manager) {
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			s, err := live.Open(t.Context(), m, sandbox.Request{}, live.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Kill()
			script := fmt.Sprintf("ls; echo %d > mark; cat mark; set -- /proc/[0-9]*; echo $#", i)
			out, _, err := s.Command("sh", "-c", script).CombinedOutput(t.Context())
			if want := fmt.Sprintf("%d\n2\n", i); err != nil || string(out) != want { // the first process and sh
				t.Errorf("sandbox %d: %q, %v, want %q", i, out, err, want)
			}
		})
	}
	wg.Wait()
}

// full waits until a stock is.
func full(t *testing.T, s *live.Stock, n int) {
	t.Helper()
	for range 3000 {
		if s.Ready() == n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%d are ready, want %d", s.Ready(), n)
}

// take takes a sandbox that ends with the test.
func take(t *testing.T, s *live.Stock) *live.Sandbox {
	t.Helper()
	box, err := s.Take(t.Context())
	must(t, err)
	t.Cleanup(func() { _ = box.Kill() })
	return box
}

func stockOnce(t *testing.T, m *sandbox.Manager) {
	stock := live.NewStock(m, sandbox.Request{}, live.Options{Idle: 500 * time.Millisecond}, 2)
	defer stock.Close()
	full(t, stock, 2)
	time.Sleep(600 * time.Millisecond) // waiting is not being idle
	seen := map[int]bool{}
	for range 5 {
		box := take(t, stock)
		if seen[box.PID()] {
			t.Fatal("given away twice")
		}
		seen[box.PID()] = true
		if res := do(t, box, "ls; touch used"); len(res.Stdout) != 0 || res.ExitCode != 0 {
			t.Errorf("%+v", res)
		}
	}
	box := take(t, stock)
	<-box.Done() // once taken, it may be
}

func stockRefills(t *testing.T, m *sandbox.Manager) {
	stock := live.NewStock(m, sandbox.Request{}, live.Options{}, 1)
	defer stock.Close()
	for range 3 {
		full(t, stock, 1)
		take(t, stock)
	}
}

func stockDead(t *testing.T, m *sandbox.Manager) {
	stock := live.NewStock(m, sandbox.Request{}, live.Options{}, 1)
	defer stock.Close()
	full(t, stock, 1)
	dead := take(t, stock)
	must(t, unix.Kill(dead.PID(), unix.SIGKILL))
	<-dead.Done()

	full(t, stock, 1)
	killed := take(t, stock)
	must(t, killed.Kill())
	if res := do(t, take(t, stock), "echo alive"); string(res.Stdout) != "alive\n" {
		t.Errorf("%+v", res)
	}
}

func stockBroken(t *testing.T, m *sandbox.Manager) {
	req := sandbox.Request{}
	req.Policy.Filesystem.Read = []string{"/nonexistent"}
	stock := live.NewStock(m, req, live.Options{}, 2)
	defer stock.Close()
	for range 3 {
		if _, err := stock.Take(t.Context()); fault.KindOf(err) != fault.Denied {
			t.Errorf("Take = %v, want denied", err)
		}
	}
}

func stockClosed(t *testing.T, m *sandbox.Manager) {
	stock := live.NewStock(m, sandbox.Request{}, live.Options{}, 3)
	full(t, stock, 3)
	must(t, stock.Close())
	must(t, stock.Close())
	if stock.Ready() != 0 {
		t.Errorf("%d are ready", stock.Ready())
	}
	if res := do(t, take(t, stock), "echo one"); string(res.Stdout) != "one\n" {
		t.Errorf("%+v", res)
	}
}
