//go:build linux

package guest_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/guest"
	"github.com/bulkhead-dev/bulkhead/internal/guest/guesttest"
	"github.com/bulkhead-dev/bulkhead/internal/guest/inside"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
)

// bytesOnly hides that a connection could carry descriptors.
type bytesOnly struct{ io.ReadWriteCloser }

// carriers are the ways in which a session can travel.
var carriers = []struct {
	name string
	wrap func(io.ReadWriteCloser) io.ReadWriteCloser
}{
	{"descriptors", func(c io.ReadWriteCloser) io.ReadWriteCloser { return c }},
	{"frames", func(c io.ReadWriteCloser) io.ReadWriteCloser { return bytesOnly{c} }},
}

func TestInside_servesInThisProcess(t *testing.T) {
	for _, c := range carriers {
		t.Run(c.name, func(t *testing.T) {
			guesttest.Run(t, func(t testing.TB) *guesttest.Guest {
				conn, fd := guesttest.Pair(t)
				done := make(chan error, 1)
				go func() { done <- serve(fd) }()
				g := &guesttest.Guest{Client: dial(t, c.wrap(conn)), Dir: t.TempDir()}
				t.Cleanup(func() {
					_ = g.Close()
					if err := <-done; err != nil {
						t.Errorf("Serve = %v", err)
					}
				})
				return g
			})
		})
	}
}

func TestInit_servesAsFirstProcess(t *testing.T) {
	kerneltest.NeedRoot(t)
	for _, c := range carriers {
		t.Run(c.name, func(t *testing.T) {
			guesttest.Run(t, func(t testing.TB) *guesttest.Guest {
				return &guesttest.Guest{Client: dial(t, c.wrap(boot(t))), Dir: t.TempDir(), First: true}
			})
		})
	}
}

func serve(fd int) error {
	t, err := wire.NewFD(fd)
	if err != nil {
		return err
	}
	return inside.Serve(t, inside.Options{})
}

func dial(t testing.TB, conn io.ReadWriteCloser) *guest.Client {
	t.Helper()
	return dialWith(t, conn, guest.Options{})
}

func dialWith(t testing.TB, conn io.ReadWriteCloser, opt guest.Options) *guest.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := guest.Dial(ctx, conn, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// boot starts the real first process as pid 1 of its own pid namespace.
func boot(t testing.TB) io.ReadWriteCloser {
	t.Helper()
	conn, fd := guesttest.Pair(t)
	f := os.NewFile(uintptr(fd), "guest")
	defer f.Close()
	cmd := exec.Command("unshare", "--pid", "--fork", "--mount-proc", "--kill-child", initBinary(t))
	cmd.Env = []string{}
	cmd.ExtraFiles = []*os.File{f}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		_ = cmd.Wait()
	})
	return conn
}

// Only pid 1 may signal "every process". This one is not, in a pid namespace
// of its own, so that a failure reaches nobody else.
func TestInit_leavesOthersAloneWhenItIsNotTheFirst(t *testing.T) {
	kerneltest.NeedRoot(t)
	conn, fd := guesttest.Pair(t)
	f := os.NewFile(uintptr(fd), "guest")
	defer f.Close()
	cmd := exec.Command("unshare", "--pid", "--fork", "--mount-proc", "--kill-child",
		"sh", "-c", `sleep 1000 & "$0"; kill -0 $! && echo alive; kill $!`, initBinary(t))
	cmd.ExtraFiles = []*os.File{f}
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	g := dial(t, conn)
	if exit, err := g.Command("/bin/true").Run(t.Context()); err != nil || exit.Code != 0 {
		t.Errorf("Run = %+v, %v", exit, err)
	}
	if err := g.Shutdown(t.Context(), time.Second); err != nil {
		t.Errorf("Shutdown = %v", err)
	}
	if err := cmd.Wait(); err != nil || out.String() != "alive\n" {
		t.Errorf("the other process: %q, %v; want it alive", out.String(), err)
	}
}

var buildDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bulkhead-guest")
	if err != nil {
		panic(err)
	}
	buildDir = dir
	_ = unix.Umask(0o022)
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// build compiles bulkhead-init once, unless BULKHEAD_INIT names one.
var build = sync.OnceValues(func() (string, error) {
	if file := os.Getenv("BULKHEAD_INIT"); file != "" {
		return file, nil
	}
	file := filepath.Join(buildDir, "bulkhead-init")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, "github.com/bulkhead-dev/bulkhead/cmd/bulkhead-init")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return file, cmd.Run()
})

func initBinary(t testing.TB) string {
	t.Helper()
	file, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return file
}
