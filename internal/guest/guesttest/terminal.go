//go:build linux

package guesttest

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest"
)

var terminals = []test{
	{"a command gets one of the right size", func(ctx context.Context, t *testing.T, g *Guest) {
		cmd := sh(g, "test -t 0 && test -t 1 && test -t 2 && stty size")
		cmd.Terminal = &guest.Size{Rows: 31, Cols: 97}
		got, exit := typed(ctx, t, cmd, "")
		if exit.Code != 0 || got != "31 97\r\n" {
			t.Errorf("stty size = %q, %+v", got, exit)
		}
	}},
	{"what is typed is echoed and read", func(ctx context.Context, t *testing.T, g *Guest) {
		cmd := sh(g, "read x; echo got $x")
		cmd.Terminal = &guest.Size{Rows: 24, Cols: 80}
		if got, _ := typed(ctx, t, cmd, "hello\n"); got != "hello\r\ngot hello\r\n" {
			t.Errorf("terminal = %q", got)
		}
	}},
	{"it is the controlling terminal", func(ctx context.Context, t *testing.T, g *Guest) {
		cmd := sh(g, "echo yes >/dev/tty; trap 'echo int; exit 3' INT; echo ready; while :; do sleep 0.01; done")
		cmd.Terminal = &guest.Size{Rows: 24, Cols: 80}
		must(t, cmd.Start(ctx))
		defer cmd.TTY().Close()
		until(t, cmd.TTY(), "ready")
		_, err := cmd.TTY().Write([]byte{3}) // ^C
		must(t, err)
		exit, err := cmd.Wait()
		if err != nil || exit.Code != 3 && exit.Signal != unix.SIGINT {
			t.Errorf("Wait = %+v, %v; want interrupted", exit, err)
		}
	}},
	{"a resize is seen and told", func(ctx context.Context, t *testing.T, g *Guest) {
		cmd := sh(g, "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.01; done")
		cmd.Terminal = &guest.Size{Rows: 24, Cols: 80}
		must(t, cmd.Start(ctx))
		defer cmd.TTY().Close()
		until(t, cmd.TTY(), "ready")
		must(t, cmd.Resize(ctx, guest.Size{Rows: 50, Cols: 132}))
		until(t, cmd.TTY(), "50 132")
		_, err := cmd.Wait()
		must(t, err)
	}},
	{"hanging up ends what runs in it", func(ctx context.Context, t *testing.T, g *Guest) {
		cmd := sh(g, "echo ready; sleep 1000")
		cmd.Terminal = &guest.Size{Rows: 24, Cols: 80}
		must(t, cmd.Start(ctx))
		until(t, cmd.TTY(), "ready")
		must(t, cmd.TTY().Close())
		exit, err := cmd.Wait()
		if err != nil || exit.Signal != unix.SIGHUP {
			t.Errorf("Wait = %+v, %v; want SIGHUP", exit, err)
		}
	}},
	{"a command without one has none to resize", func(ctx context.Context, t *testing.T, g *Guest) {
		cmd := g.Command("/bin/true")
		must(t, cmd.Start(ctx))
		if err := cmd.Resize(ctx, guest.Size{Rows: 1, Cols: 1}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("Resize = %v, want invalid", err)
		}
		_, err := cmd.Wait()
		must(t, err)
	}},
}

// typed runs a command in a terminal, types, and returns what was printed.
func typed(ctx context.Context, t *testing.T, cmd *guest.Cmd, input string) (string, guest.Exit) {
	t.Helper()
	must(t, cmd.Start(ctx))
	defer cmd.TTY().Close()
	_, err := io.WriteString(cmd.TTY(), input)
	must(t, err)
	out, err := io.ReadAll(cmd.TTY())
	must(t, err)
	exit, err := cmd.Wait()
	must(t, err)
	return string(out), exit
}

// until reads up to a text.
func until(t *testing.T, r io.Reader, text string) {
	t.Helper()
	var got bytes.Buffer
	b := make([]byte, 256)
	for !strings.Contains(got.String(), text) {
		n, err := r.Read(b)
		got.Write(b[:n])
		if err != nil {
			t.Fatalf("read until %q: %v after %q", text, err, got.String())
		}
	}
}
