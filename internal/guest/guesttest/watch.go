//go:build linux

package guesttest

import (
	"context"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest"
)

var watches = []test{
	{"changes in a folder are told", func(ctx context.Context, t *testing.T, g *Guest) {
		w, err := g.Watch(ctx, g.Dir, false)
		must(t, err)
		defer w.Close()
		output(ctx, t, g, "cd "+g.Dir+" && echo x > f && mv f g && rm g")
		expect(t, w, []guest.Event{
			{Path: "f", Change: guest.Created},
			{Path: "f", Change: guest.Written},
			{Path: "f", Change: guest.Moved},
			{Path: "g", Change: guest.Moved},
			{Path: "g", Change: guest.Removed},
		})
	}},
	{"changes in folders beneath are told, also in new ones", func(ctx context.Context, t *testing.T, g *Guest) {
		output(ctx, t, g, "mkdir -p "+g.Path("a/b"))
		w, err := g.Watch(ctx, g.Dir, true)
		must(t, err)
		defer w.Close()
		output(ctx, t, g, "cd "+g.Dir+" && echo x > a/b/f && mkdir -p new/deep && echo y > new/deep/f")
		expect(t, w, []guest.Event{
			{Path: "a/b/f", Change: guest.Created},
			{Path: "new", Change: guest.Created},
			{Path: "new/deep", Change: guest.Created},
			{Path: "new/deep/f", Change: guest.Created},
		})
	}},
	{"a file alone can be watched", func(ctx context.Context, t *testing.T, g *Guest) {
		must(t, writeString(ctx, g, "f", "x"))
		w, err := g.Watch(ctx, g.Path("f"), false)
		must(t, err)
		defer w.Close()
		must(t, writeString(ctx, g, "f", "y"))
		expect(t, w, []guest.Event{{Path: "", Change: guest.Written}})
	}},
	{"what is missing cannot be watched", func(ctx context.Context, t *testing.T, g *Guest) {
		if _, err := g.Watch(ctx, g.Path("none"), false); fault.KindOf(err) != fault.NotFound {
			t.Errorf("Watch = %v, want not found", err)
		}
	}},
	{"it ends with its context", func(ctx context.Context, t *testing.T, g *Guest) {
		short, cancel := context.WithCancel(ctx)
		w, err := g.Watch(short, g.Dir, true)
		must(t, err)
		cancel()
		for _, err := range w.Events() {
			if fault.KindOf(err) != fault.Cancelled {
				t.Errorf("last error = %v, want cancelled", err)
			}
		}
		must(t, w.Close())
		must(t, g.Ping(ctx))
	}},
	{"many come and go", func(ctx context.Context, t *testing.T, g *Guest) {
		for range 200 { // more than a user may have inotify instances at once
			w, err := g.Watch(ctx, g.Dir, false)
			must(t, err)
			must(t, w.Close())
			must(t, g.Ping(ctx))
		}
	}},
}

// expect reads events until each that is wanted has come, in any order.
func expect(t *testing.T, w *guest.Watcher, want []guest.Event) {
	t.Helper()
	for e, err := range w.Events() {
		if err != nil {
			t.Fatalf("events ended with %v; missing %+v", err, want)
		}
		for i := 0; i < len(want); i++ {
			if want[i].Path == e.Path && want[i].Change&e.Change != 0 {
				want = append(want[:i:i], want[i+1:]...)
				i--
			}
		}
		if len(want) == 0 {
			return
		}
	}
}
