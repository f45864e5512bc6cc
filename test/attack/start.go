//go:build linux

package attack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/jail"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/native"
)

// A starter has this name, and in this variable what it shall start.
const (
	starterName     = "bulkhead-attack-starter"
	starterVariable = "BULKHEAD_ATTACK_START"
)

// start is a sandbox that another process starts, so that the process can be
// killed, or have any stdio.
type start struct {
	Launcher string
	Drop     []string
	Request  sandbox.Request
}

// starter is the main function of that process. Otherwise it does nothing.
func starter() {
	if len(os.Args) != 1 || os.Args[0] != starterName {
		return
	}
	text := os.Getenv(starterVariable)
	os.Unsetenv(starterVariable)
	var s start
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	m := sandbox.New(native.New(native.Options{Launcher: s.Launcher, Drop: s.Drop}))
	if _, err := m.Run(context.Background(), s.Request, sandbox.IO{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// starts is a process that starts the cell's sandbox.
func (c *cell) starts(args ...string) *exec.Cmd {
	c.Helper()
	text, err := json.Marshal(start{c.launcher, c.drop, c.command(append([]string{c.victim}, args...)...)})
	c.must(err)
	cmd := exec.Command("/proc/self/exe")
	cmd.Args[0] = starterName
	cmd.Env = append(os.Environ(), starterVariable+"="+string(text))
	return cmd
}

// outlives kills a sandbox's parent and looks for the command.
func outlives(c *cell) verdict {
	lock := c.writable + "/lock"
	c.write(lock, "")
	cmd := c.starts("hold", lock, "20")
	c.must(cmd.Start())
	for range 1000 {
		if c.read(lock) != "" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if c.read(lock) == "" {
		c.Errorf("the command did not start")
	}
	c.must(cmd.Process.Kill())
	_ = cmd.Wait()
	return c.held(lock, 3*time.Second)
}

// holder is the process that holds a flock(2) on a file, by /proc/locks.
func holder(info os.FileInfo) int {
	st := info.Sys().(*syscall.Stat_t)
	id := fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino)
	b, _ := os.ReadFile("/proc/locks")
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 5 && f[1] == "FLOCK" && f[5] == id {
			pid, _ := strconv.Atoi(f[4])
			return pid
		}
	}
	return 0
}

// withStdin starts the sandbox from a process whose fd 0 is f.
func (c *cell) withStdin(f *os.File) verdict {
	c.Helper()
	out := c.writable + "/out"
	cmd := c.starts("stdin", out, "secret")
	cmd.Stdin = f
	text, err := cmd.CombinedOutput()
	got := c.read(out)
	return verdict{strings.Contains(got, secret), fmt.Sprintf("the victim read %q; %s", got, text)}.or(err)
}

func startRows() []row {
	return []row{
		{
			id: "B11", attack: "read the file that is Bulkhead's own fd 0", success: "the victim has the secret",
			walls: []string{jail.StepStdio}, by: "program", why: "the portable launcher's helper has /dev/null there",
			try: func(c *cell) verdict {
				f, err := os.Open(c.hidden + "/secret")
				c.must(err)
				defer f.Close()
				return c.withStdin(f)
			},
		},
		{
			id: "B11", attack: "open a file beneath the folder that is Bulkhead's own fd 0", success: "the victim has the secret",
			walls: []string{jail.StepStdio, landlock}, by: "program", why: "as above",
			try: func(c *cell) verdict {
				f, err := os.Open(c.hidden)
				c.must(err)
				defer f.Close()
				return c.withStdin(f)
			},
		},
		{
			id: "B11", attack: "read what is typed at Bulkhead's own terminal", success: "the victim has the secret",
			walls: []string{jail.StepStdio}, by: "program", why: "the portable launcher's helper has /dev/null there",
			try: func(c *cell) verdict {
				master, tty := c.terminal()
				_, err := master.WriteString(secret + "\n")
				c.must(err)
				return c.withStdin(tty)
			},
		},
		{
			id: "B11", attack: "be started with a file, a folder or a terminal instead of pipes", success: "it starts",
			bare: true, why: "the start looks at them",
			try: func(c *cell) verdict {
				f, err := os.Open(c.hidden + "/secret")
				c.must(err)
				defer f.Close()
				if c.bare {
					cmd := exec.Command("/bin/cat")
					cmd.Stdin = f
					out, err := cmd.Output()
					return verdict{string(out) == secret, string(out)}.or(err)
				}
				dir, err := os.Open(c.hidden)
				c.must(err)
				defer dir.Close()
				_, tty := c.terminal()
				for _, f := range []*os.File{f, dir, tty} {
					if err := c.startWith(f); err == nil {
						return verdict{true, f.Name() + " as stdio"}
					}
				}
				return verdict{}
			},
		},
		missing("landlock"),
		missing("seccomp"),
		{
			id: "S17", attack: "start where a written limit cannot be enforced", success: "it starts, unbounded",
			bare: true, why: "the plan refuses it",
			try: func(c *cell) verdict {
				c.policy.Limits.Memory = 64 << 20
				return c.without("cgroup")
			},
		},
	}
}

// missing is the row for a host that lacks a mechanism.
func missing(mechanism string) row {
	return row{
		id: "S17", attack: "start where the kernel lacks " + mechanism, success: "it starts, and nobody is told",
		bare: true, why: "the plan refuses it, unless the policy says best effort, and then the report tells",
		try: func(c *cell) verdict { return c.without(mechanism) },
	}
}

// without plans on a host that lacks a mechanism.
func (c *cell) without(mechanism string) verdict {
	c.Helper()
	if c.bare {
		return verdict{succeeded: true}
	}
	m := sandbox.New(native.New(native.Options{Launcher: c.launcher, Without: []string{mechanism}}))
	req := sandbox.Request{Args: []string{"true"}, Policy: c.policy}
	if _, err := m.Run(c.Context(), req, sandbox.IO{}); fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), mechanism) {
		return verdict{true, fmt.Sprintf("refusal: %v", err)}
	}
	req.Policy.BestEffort = true
	res, err := m.Run(c.Context(), req, sandbox.IO{})
	c.must(err)
	return verdict{!strings.Contains(strings.Join(res.Report.Missing, "\n"), mechanism), fmt.Sprintf("missing %q", res.Report.Missing)}
}

// startWith starts a plan with f as its stdin.
func (c *cell) startWith(f *os.File) error {
	c.Helper()
	plan, err := c.manager().Plan(c.Context(), c.command("true"))
	c.must(err)
	defer plan.Close()
	r, w, err := os.Pipe()
	c.must(err)
	defer r.Close()
	defer w.Close()
	proc, err := plan.Start(c.Context(), [3]*os.File{f, w, w})
	if err != nil {
		if !strings.Contains(err.Error(), jail.StepStdio) {
			return errors.Join(err, fmt.Errorf("the error does not name the step %q", jail.StepStdio))
		}
		return err
	}
	_, err = proc.Wait()
	c.must(err)
	return nil
}

// terminal is a new pair: what is written to the first is typed at the second.
func (c *cell) terminal() (master, tty *os.File) {
	c.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	c.must(err)
	c.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	c.must(unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	c.must(err)
	tty, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	c.must(err)
	c.Cleanup(func() { tty.Close() })
	return master, tty
}
