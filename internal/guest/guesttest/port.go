//go:build linux

package guesttest

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest"
)

// server is an upper-casing server inside, in a language that is everywhere
// where these tests run.
const server = `
import socket, threading, sys
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(64)
print(s.getsockname()[1], flush=True)
def serve(c):
    while True:
        b = c.recv(65536)
        if not b: break
        c.sendall(b.upper())
    c.shutdown(socket.SHUT_WR)
    c.close()
while True:
    c, _ = s.accept()
    threading.Thread(target=serve, args=(c,)).start()
`

var ports = []test{
	{"a port inside can be used", func(ctx context.Context, t *testing.T, g *Guest) {
		port := serve(ctx, t, g)
		for i := range 10 {
			c, err := g.DialPort(ctx, port)
			must(t, err)
			text := strings.Repeat(fmt.Sprint("x", i), 10000)
			go func() {
				_, _ = io.WriteString(c, text)
				_ = c.CloseWrite()
			}()
			got, err := io.ReadAll(c)
			if err != nil || string(got) != strings.ToUpper(text) {
				t.Errorf("%d bytes, %v; want %d", len(got), err, len(text))
			}
			must(t, c.Close())
		}
	}},
	{"a port that nobody listens on is told", func(ctx context.Context, t *testing.T, g *Guest) {
		if _, err := g.DialPort(ctx, 1); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("DialPort = %v, want unavailable", err)
		}
		must(t, g.Ping(ctx))
	}},
	{"a listener of the host is joined to it", func(ctx context.Context, t *testing.T, g *Guest) {
		port := serve(ctx, t, g)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		short, cancel := context.WithCancel(ctx)
		done := make(chan error)
		go func() { done <- g.Forward(short, l, port) }()
		c, err := net.Dial("tcp", l.Addr().String())
		must(t, err)
		_, err = io.WriteString(c, "hello")
		must(t, err)
		must(t, c.(*net.TCPConn).CloseWrite())
		if got, err := io.ReadAll(c); err != nil || string(got) != "HELLO" {
			t.Errorf("through the listener: %q, %v", got, err)
		}
		_ = c.Close()
		open, err := net.Dial("tcp", l.Addr().String())
		must(t, err)
		defer open.Close()
		cancel()
		if err := <-done; fault.KindOf(err) != fault.Cancelled {
			t.Errorf("Forward = %v, want cancelled", err)
		}
	}},
}

// serve starts the server and returns its port.
func serve(ctx context.Context, t *testing.T, g *Guest) uint16 {
	t.Helper()
	cmd := g.Command("/usr/bin/python3", "-c", server)
	cmd.Env = env
	out := cmd.StdoutPipe()
	must(t, cmd.Start(ctx))
	t.Cleanup(func() {
		_ = out.Close()
		stop(cmd)
	})
	line := make([]byte, 16)
	n, err := out.Read(line)
	must(t, err)
	port, err := strconv.ParseUint(strings.TrimSpace(string(line[:n])), 10, 16)
	must(t, err)
	return uint16(port)
}

// stop kills a command, when its session may have ended.
func stop(cmd *guest.Cmd) {
	_ = cmd.Signal(context.Background(), 9)
	_, _ = cmd.Wait()
}
