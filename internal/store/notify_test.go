package store_test

import (
	"context"
	"sync"
	"testing"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/store"
	"github.com/bulkhead-dev/bulkhead/internal/store/mem"
	"github.com/bulkhead-dev/bulkhead/internal/store/storetest"
)

// woken reports whether a wake-up waits.
func woken(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestNotifier_conforms(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Driver { return permits{store.Notify(mem.Open())} })
}

// permits shows the wrapped driver's permits.
type permits struct{ *store.Notifier }

func (p permits) Permits(ctx context.Context, key string) ([]event.Permit, error) {
	return p.Unwrap().(store.PermitReader).Permits(ctx, key)
}

func TestChanged_wakesTheFollowersOfTheJob(t *testing.T) {
	n := store.Notify(mem.Open())
	a, stopA := n.Changed("a")
	b, stopB := n.Changed("b")
	anyJob, stopAny := n.Changed("")
	defer stopA()
	defer stopB()
	defer stopAny()

	if _, err := storetest.Apply(n, storetest.Step("a", 0, 1)); err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct{ got, want bool }{
		"a":   {woken(a), true},
		"b":   {woken(b), false},
		"any": {woken(anyJob), true},
	} {
		if row.got != row.want {
			t.Errorf("follower of %s woken = %v, want %v", name, row.got, row.want)
		}
	}
}

func TestChanged_staysQuietWhenNothingChanged(t *testing.T) {
	n := store.Notify(mem.Open())
	first := storetest.Step("a", 0, 1)
	if _, err := storetest.Apply(n, first); err != nil {
		t.Fatal(err)
	}
	c, stop := n.Changed("a")
	defer stop()
	_, _ = storetest.Apply(n, first)                     // a repeat
	_, _ = storetest.Apply(n, storetest.Step("a", 9, 1)) // a conflict
	_, _ = n.Load(t.Context(), "a")                      // a read
	_, _ = n.Apply(context.Background(), nil)            // nothing
	if woken(c) {
		t.Error("the follower was woken")
	}
}

func TestChanged_foldsChangesThatNobodyTook(t *testing.T) {
	n := store.Notify(mem.Open())
	c, stop := n.Changed("a")
	defer stop()
	for v := range event.Seq(5) {
		if _, err := storetest.Apply(n, storetest.Step("a", v, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if !woken(c) || woken(c) {
		t.Error("want exactly one wake-up")
	}
}

func TestChanged_stopEndsIt(t *testing.T) {
	n := store.Notify(mem.Open())
	c, stop := n.Changed("a")
	stop()
	stop()
	if _, err := storetest.Apply(n, storetest.Step("a", 0, 1)); err != nil {
		t.Fatal(err)
	}
	if woken(c) {
		t.Error("woken after stop")
	}
}

// TestChanged_missesNothing follows a job that another goroutine writes, by
// subscribe, read, wait, and must see every event.
func TestChanged_missesNothing(t *testing.T) {
	const last = 500
	n := store.Notify(mem.Open())
	if _, err := storetest.Apply(n, storetest.Step("a", 0, 1)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			c, stop := n.Changed("a")
			defer stop()
			for seen := event.Seq(0); seen < last; {
				events, err := n.Events(t.Context(), "a", seen, 10)
				if err != nil {
					t.Error(err)
					return
				}
				if len(events) == 0 {
					<-c
				}
				seen += event.Seq(len(events))
			}
		})
	}
	for v := event.Seq(1); v < last; v++ {
		if _, err := storetest.Apply(n, storetest.Step("a", v, 1)); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
}
