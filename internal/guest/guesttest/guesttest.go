//go:build linux

// Package guesttest is what every session with a live sandbox must do,
// whatever carries it: an in-process server, the real first process over a
// socket or over bytes alone, later a virtual machine's serial port.
package guesttest

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/guest"
)

// Guest is a sandbox under test.
type Guest struct {
	*guest.Client

	// Dir is an empty folder inside that may be written to.
	Dir string
	// First says that the other end is a sandbox's first process and sees
	// only the sandbox's own processes.
	First bool
}

// Path is a name in the guest's folder.
func (g *Guest) Path(name string) string { return g.Dir + "/" + name }

// Run runs the whole suite. start returns a new guest, which it ends with the
// test.
func Run(t *testing.T, start func(t testing.TB) *Guest) {
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"exec", execs},
		{"reaping", reaping},
		{"terminal", terminals},
		{"files", files},
		{"transfer", transfers},
		{"tree", trees},
		{"watch", watches},
		{"port", ports},
		{"session", sessions},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, tt := range group.tests {
				t.Run(tt.name, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
					defer cancel()
					tt.run(ctx, t, start(t))
				})
			}
		})
	}
}

// test is one promise.
type test struct {
	name string
	run  func(ctx context.Context, t *testing.T, g *Guest)
}

// Pair returns both ends of a new connection: the host's, and a descriptor for
// the guest.
func Pair(t testing.TB) (*net.UnixConn, int) {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(p[0]), "host")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.UnixConn), p[1]
}

// env is what commands of the suite get.
var env = []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "LANG=C"}

// sh is a shell command.
func sh(g *Guest, script string) *guest.Cmd {
	cmd := g.Command("sh", "-c", script)
	cmd.Env = env
	return cmd
}

// output runs a script that must succeed and returns what it printed.
func output(ctx context.Context, t testing.TB, g *Guest, script string) string {
	t.Helper()
	out, exit, err := sh(g, script).CombinedOutput(ctx)
	if err != nil || exit.Code != 0 {
		t.Fatalf("sh -c %q: %+v, %v\n%s", script, exit, err, out)
	}
	return string(out)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
