//go:build linux

package guesttest

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

var sessions = []test{
	{"it answers", func(ctx context.Context, t *testing.T, g *Guest) {
		for range 100 {
			must(t, g.Ping(ctx))
		}
		if err := g.Err(); err != nil {
			t.Errorf("Err = %v, want none", err)
		}
	}},
	{"a context that has ended asks nothing", func(ctx context.Context, t *testing.T, g *Guest) {
		dead, cancel := context.WithCancel(ctx)
		cancel()
		for range 50 {
			if err := g.Ping(dead); err != nil && fault.KindOf(err) != fault.Cancelled {
				t.Errorf("Ping = %v, want cancelled", err)
			}
		}
		must(t, g.Ping(ctx))
	}},
	{"closing ends what runs", func(ctx context.Context, t *testing.T, g *Guest) {
		cmd := sh(g, "echo up; sleep 1000")
		out := cmd.StdoutPipe()
		must(t, cmd.Start(ctx))
		_, err := io.ReadFull(out, make([]byte, 3))
		must(t, err)
		must(t, g.Close())
		must(t, g.Close())
		if _, err := cmd.Wait(); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("Wait = %v, want unavailable", err)
		}
		_, _ = io.ReadAll(out) // ends only with the process
		if err := g.Ping(ctx); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("Ping = %v, want unavailable", err)
		}
	}},
	{"a shutdown asks first", func(ctx context.Context, t *testing.T, g *Guest) {
		cmd := sh(g, "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done")
		out := cmd.StdoutPipe()
		must(t, cmd.Start(ctx))
		_, err := io.ReadFull(out, make([]byte, 3))
		must(t, err)
		must(t, g.Shutdown(ctx, 30*time.Second))
		got, _ := io.ReadAll(out)
		if string(got) != "bye\n" && len(got) != 0 { // the shell's sleep may be what ended it
			t.Errorf("last words = %q", got)
		}
		_, _ = cmd.Wait()
	}},
	{"a shutdown does not wait for the stubborn", func(ctx context.Context, t *testing.T, g *Guest) {
		cmd := sh(g, "trap '' TERM; echo up; sleep 1000; sleep 1000")
		out := cmd.StdoutPipe()
		must(t, cmd.Start(ctx))
		_, err := io.ReadFull(out, make([]byte, 3))
		must(t, err)
		must(t, g.Shutdown(ctx, 50*time.Millisecond))
		_, _ = io.ReadAll(out)
		_, _ = cmd.Wait()
	}},
}
