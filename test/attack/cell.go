//go:build linux

package attack

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// secret is what victims try to read.
const secret = "the-secret-of-the-host"

// cell is one try of an attack: a sandbox, with some walls taken out, and
// fresh folders of the host around it. Everybody on the host may read and
// write these, so that nothing but the walls stands before the victim.
type cell struct {
	trial
	*suite
	launcher string
	drop     []string
	bare     bool // no sandbox at all
	work     bool // from a template: see fromTemplate
	policy   policy.Policy

	dir      string
	shown    string // a folder that the sandbox may read; holds "file"
	writable string // a folder that it may write
	hidden   string // a folder that it was not given; holds "secret" and "target"
	result   sandbox.Result
	reached  bool // the kernel looked at the call, and refused it as it should
}

// trial is what a row needs of whoever runs it; a testing.TB is one.
type trial interface {
	Helper()
	Context() context.Context
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// cell makes one for a row, with some walls taken out.
func (s *suite) cell(t trial, r row, launcher string, drop []string) *cell {
	t.Helper()
	c := &cell{trial: t, suite: s, launcher: launcher, drop: drop, dir: filepath.Join(s.base, fmt.Sprintf("cell-%d", s.cells.Add(1)))}
	c.shown, c.writable, c.hidden = filepath.Join(c.dir, "shown"), filepath.Join(c.dir, "writable"), filepath.Join(c.dir, "hidden")
	for _, dir := range []string{c.dir, c.shown, c.writable, c.hidden} {
		c.must(os.Mkdir(dir, 0o777))
		c.must(os.Chmod(dir, 0o777))
	}
	c.write(filepath.Join(c.shown, "file"), "shown")
	c.write(filepath.Join(c.hidden, "secret"), secret)
	c.write(filepath.Join(c.hidden, "target"), "untouched")
	c.policy.Filesystem.Read = []string{c.shown, filepath.Dir(s.victim)}
	c.policy.Filesystem.Write = []string{c.writable}
	if r.policy != nil {
		r.policy(&c.policy)
	}
	t.Cleanup(func() { os.RemoveAll(c.dir) })
	return c
}

func (c *cell) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// write makes a file that everybody may change.
func (c *cell) write(name, text string) {
	c.Helper()
	c.must(os.WriteFile(name, []byte(text), 0o666))
	c.must(os.Chmod(name, 0o666))
}

// read returns a file of the host; empty if there is none.
func (c *cell) read(name string) string {
	b, _ := os.ReadFile(name)
	return string(b)
}

// changed is a verdict by the host's own file.
func (c *cell) changed(name, was string) verdict {
	now := c.read(name)
	return verdict{now != was, fmt.Sprintf("%s holds %q; stdout %s", filepath.Base(name), now, c.result.Stdout)}
}

// manager is the native layer with the cell's walls.
func (c *cell) manager() *sandbox.Manager { return sandbox.New(c.layer(c.launcher, c.drop)) }

// run runs a command in the sandbox, or without one, and keeps its result.
func (c *cell) run(args ...string) sandbox.Result {
	c.Helper()
	return c.request(sandbox.Request{Args: args}, sandbox.IO{})
}

// request is run with everything that a request can say.
func (c *cell) request(req sandbox.Request, in sandbox.IO) sandbox.Result {
	c.Helper()
	c.complete(&req)
	if c.bare {
		c.result = c.unsandboxed(req)
		return c.result
	}
	// No deadline: the victim has one, and asking a sandbox without a pid
	// namespace to stop is not safe.
	res, err := c.manager().Run(context.Background(), req, in)
	if err != nil {
		c.Fatalf("start without %q: %v", c.drop, err)
	}
	c.result = res
	return res
}

// command is the request to run a command in the cell's sandbox.
func (c *cell) command(args ...string) sandbox.Request {
	req := sandbox.Request{Args: args}
	c.complete(&req)
	return req
}

// complete fills in what every request of the cell has.
func (c *cell) complete(req *sandbox.Request) {
	req.Policy = c.policy
	if req.Dir == "" && !c.bare {
		req.Dir = "/tmp" // root without capabilities may not enter the sandbox's own folders
	}
	if c.work {
		c.place(req)
	}
}

func (c *cell) unsandboxed(req sandbox.Request) sandbox.Result {
	c.Helper()
	cmd := exec.Command(req.Args[0], req.Args[1:]...)
	cmd.Dir = req.Dir
	cmd.Env = os.Environ()
	out, err := cmd.Output()
	if cmd.ProcessState == nil {
		c.Fatalf("start: %v", err)
	}
	res := sandbox.Result{Stdout: out, ExitCode: cmd.ProcessState.ExitCode()}
	if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); ws.Signaled() {
		res.Signal = int(ws.Signal())
	}
	return res
}

// attack runs a subcommand of the victim.
func (c *cell) attack(args ...string) sandbox.Result {
	c.Helper()
	return c.run(append([]string{c.victim}, args...)...)
}

// calls runs a list of system calls.
func (c *cell) calls(list ...call) []answer {
	c.Helper()
	return answers(c.attack("calls", encode(list)).Stdout)
}

// inside runs a list of system calls as root of new namespaces.
func (c *cell) inside(flags uint64, list ...call) []answer {
	c.Helper()
	return answers(c.attack("inside", fmt.Sprint(flags), encode(list)).Stdout)
}

// all is the verdict that every call worked.
func (c *cell) all(list ...call) verdict {
	c.Helper()
	as := c.calls(list...)
	return told(as, worked(as, len(list)))
}

func worked(as []answer, n int) bool {
	for _, a := range as {
		if a.Errno != 0 {
			return false
		}
	}
	return len(as) == n
}

// count is how many of something the victim got.
func (c *cell) count() int {
	var line struct{ N int }
	_ = json.Unmarshal(c.result.Stdout, &line)
	return line.N
}

// leaked is the verdict that the victim has the host's secret.
func (c *cell) leaked() verdict {
	return verdict{strings.Contains(string(c.result.Stdout), secret), string(c.result.Stdout)}
}
