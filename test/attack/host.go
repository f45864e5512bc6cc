//go:build linux

package attack

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/policy"
)

func strict(p *policy.Policy) { p.Syscalls = policy.Strict }

// told2 is the verdict that n calls were made and all worked.
func told2(as []answer, n int) verdict { return told(as, worked(as, n)) }

// leak opens a path so that every process started from now on inherits it.
func (c *cell) leak(name string) int {
	c.Helper()
	fd, err := unix.Open(name, unix.O_RDONLY, 0)
	c.must(err)
	defer unix.Close(fd)
	high, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD, 150)
	c.must(err)
	c.Cleanup(func() { unix.Close(high) })
	return high
}

// startIn starts in a working directory and looks for the host's secret there.
// A start that is refused is as good as one that finds nothing.
func (c *cell) startIn(dir string) verdict {
	c.Helper()
	req := c.command(c.victim, "calls", encode([]call{sys(unix.SYS_NEWFSTATAT, at, "secret", buf(144), 0)}))
	req.Dir = dir
	if c.bare {
		return told2(answers(c.unsandboxed(req).Stdout), 1)
	}
	res, err := c.manager().Run(c.Context(), req, sandbox.IO{})
	if err != nil {
		return verdict{false, err.Error()}
	}
	return told2(answers(res.Stdout), 1)
}

// swapped changes the granted folder after the plan was made.
func swapped(c *cell) verdict {
	args := []string{c.victim, "calls", encode([]call{open(c.shown+"/secret", unix.O_RDONLY), readOf(0)})}
	swap := func() {
		c.must(os.Rename(c.shown, c.shown+".old"))
		c.must(os.Symlink(c.hidden, c.shown))
	}
	if c.bare {
		swap()
		c.run(args...)
		return c.leaked()
	}
	plan, err := c.manager().Plan(c.Context(), c.command(args...))
	c.must(err)
	defer plan.Close()
	swap()
	out, err := c.started(plan)
	if err != nil {
		return verdict{false, err.Error()}
	}
	return verdict{strings.Contains(out, secret), out}
}

// started runs a plan that was made by hand.
func (c *cell) started(plan sandbox.Plan) (string, error) {
	c.Helper()
	in, out := c.pipe(), c.pipe()
	in[1].Close()
	proc, err := plan.Start(c.Context(), [3]*os.File{in[0], out[1], out[1]})
	out[1].Close()
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(out[0])
	c.must(err)
	_, err = proc.Wait()
	return string(text), err
}

// alive calls look while a command of the sandbox waits for its input; pid is
// its first process.
func (c *cell) alive(look func(pid int)) {
	c.Helper()
	plan, err := c.manager().Plan(c.Context(), c.command("/bin/cat"))
	c.must(err)
	defer plan.Close()
	in, out := c.pipe(), c.pipe()
	proc, err := plan.Start(c.Context(), [3]*os.File{in[0], out[1], out[1]})
	c.must(err)
	look(proc.PID())
	in[1].Close()
	_, err = proc.Wait()
	c.must(err)
}

// pipe is a reading and a writing end, closed with the test.
func (c *cell) pipe() [2]*os.File {
	c.Helper()
	r, w, err := os.Pipe()
	c.must(err)
	c.Cleanup(func() { r.Close(); w.Close() })
	return [2]*os.File{r, w}
}

// refused tells why the sandbox's plan is not made.
func (c *cell) refused() error {
	if c.bare {
		return nil
	}
	plan, err := c.manager().Plan(c.Context(), c.command("true"))
	if err == nil {
		plan.Close()
		return nil
	}
	if fault.KindOf(err) != fault.Denied {
		c.Errorf("plan: %v, want it denied", err)
	}
	return err
}

// disk is a block device that every Linux machine with loop devices has.
const disk = "/dev/loop-control"

// setuidRun runs a copy of the victim that is root's and setuid, and asks who
// it is by opening root's own file.
func setuidRun(c *cell) verdict {
	program := filepath.Join(c.writable, filepath.Base(c.victim))
	b, err := os.ReadFile(c.victim)
	c.must(err)
	c.must(os.WriteFile(program, b, 0o755))
	c.must(os.Chmod(program, 0o755|os.ModeSetuid))
	defer os.Remove(program)
	as := answers(c.run(program, "calls", encode([]call{sys(unix.SYS_GETEUID)})).Stdout)
	return told(as, len(as) == 1 && as[0].Errno == 0 && as[0].Ret == 0)
}

// plantedSetuid tries every call that takes a mode.
func plantedSetuid(c *cell) verdict {
	const mode = 0o755
	var list []call
	for _, bit := range []int{unix.S_ISUID, unix.S_ISGID} {
		name := func(by string) string { return fmt.Sprintf("%s/%s-%o", c.writable, by, bit) }
		c.write(name("chmod"), "")
		list = append(list,
			open(name("file"), unix.O_WRONLY|unix.O_CREAT),
			sys(unix.SYS_OPENAT, at, name("openat"), unix.O_WRONLY|unix.O_CREAT, mode|bit),
			sys(unix.SYS_FCHMODAT, at, name("chmod"), mode|bit),
			sys(unix.SYS_FCHMODAT2, at, name("chmod"), mode|bit, 0),
			sys(unix.SYS_FCHMOD, ref(len(list)), mode|bit),
			sys(unix.SYS_MKNODAT, at, name("mknodat"), unix.S_IFREG|mode|bit, 0),
			sys(unix.SYS_OPENAT2, at, name("openat2"), bytes(openHow(unix.O_WRONLY|unix.O_CREAT, uint64(mode|bit))), 24),
		)
		list = append(list,
			sys(unix.SYS_OPENAT, at, c.writable, unix.O_WRONLY|unix.O_TMPFILE, mode|bit),
			sys(unix.SYS_LINKAT, ref(len(list)), "", at, name("tmpfile"), unix.AT_EMPTY_PATH),
		)
		list = append(list, older(name, uint32(mode|bit))...)
	}
	as := c.calls(list...)
	var planted []string
	entries, err := os.ReadDir(c.writable)
	c.must(err)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 {
			planted = append(planted, info.Name())
		}
	}
	return verdict{len(planted) > 0, fmt.Sprintf("planted %q; %s", planted, told(as, false).saw)}
}

// openHow is struct open_how.
func openHow(flags, mode uint64) []byte {
	b := make([]byte, 24)
	for i := range 8 {
		b[i], b[8+i] = byte(flags>>(8*i)), byte(mode>>(8*i))
	}
	return b
}

// byHandle asks for the handle on the host's side, as an attacker who guesses
// inode numbers would have it.
func byHandle(c *cell) verdict {
	h, _, err := unix.NameToHandleAt(at, c.hidden+"/secret", 0)
	c.must(err)
	raw := make(bytes, 8, 8+h.Size())
	raw[0], raw[4] = byte(h.Size()), byte(h.Type())
	raw = append(raw, h.Bytes()...)
	c.calls(open(c.shown, unix.O_RDONLY|unix.O_DIRECTORY), sys(unix.SYS_OPEN_BY_HANDLE_AT, ref(0), raw, unix.O_RDONLY), readOf(1))
	return c.leaked()
}
