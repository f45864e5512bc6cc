//go:build linux

package attack

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/jail"
	"github.com/bulkhead-dev/bulkhead/policy"
	"golang.org/x/sys/unix"
)

// recvNow returns how long a datagram is that has arrived; 0 for none.
func recvNow(l net.PacketConn) (int, error) {
	if err := l.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		return 0, err
	}
	n, _, _ := l.ReadFrom(make([]byte, 100))
	return n, nil
}

// sleeper is a process of the host that victims are after.
func (c *cell) sleeper() (pid int, alive func() bool) {
	c.Helper()
	cmd := exec.Command("sleep", "1000")
	c.must(cmd.Start())
	c.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd.Process.Pid, func() bool { return !dying(c.read(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))) }
}

// ending matches the status of a process that is dead, or that has SIGKILL
// waiting (the ninth bit).
var ending = regexp.MustCompile(`(?m)^State:\s+[ZX]|^(?:SigPnd|ShdPnd):\s+[0-9a-f]*[13579bdf][0-9a-f]{2}$`)

func dying(status string) bool { return status == "" || ending.MatchString(status) }

// sibling runs a call on another process of the same sandbox, whose number
// stands in the list as PID.
func (c *cell) sibling(list ...call) []answer {
	c.Helper()
	text := strings.ReplaceAll(encode(list), `"'PID"`, `"'"$!"'"`)
	script := fmt.Sprintf("sleep 20 >/dev/null 2>&1 & exec %s calls '%s'", c.victim, text)
	return answers(c.run("/bin/sh", "-c", script).Stdout)
}

const other = "PID" // the other process, in a list of sibling

// onSibling tries calls on another process of the sandbox.
func onSibling(list ...call) func(*cell) verdict {
	return func(c *cell) verdict { return told2(c.sibling(list...), len(list)) }
}

func processRows() []row {
	return []row{
		{
			id: "K01", attack: "trace another process", success: "ptrace answers 0",
			walls: []string{filter}, need: setting("ptrace of one's own processes", "kernel/yama/ptrace_scope", "0"),
			try: onSibling(sys(unix.SYS_PTRACE, unix.PTRACE_SEIZE, other, 0, 0)),
		},
		{
			id: "K01", attack: "read another process's memory by process_vm_readv", success: "the kernel looks at the address",
			walls: []string{filter}, need: setting("ptrace of one's own processes", "kernel/yama/ptrace_scope", "0"),
			try: onSibling(sys(unix.SYS_PROCESS_VM_READV, other, 0, 0, 0, 0, 0)),
		},
		{
			id: "K01", attack: "write to the memory of the sandbox's first process", success: "open answers a descriptor",
			bare: true, why: "the first process makes itself not dumpable; without that it is another program",
			need: setting("ptrace of one's own processes", "kernel/yama/ptrace_scope", "0"),
			try: func(c *cell) verdict {
				first := "1"
				if c.bare {
					pid, _ := c.sleeper()
					first = strconv.Itoa(pid)
				}
				return c.any(open("/proc/"+first+"/mem", unix.O_RDWR), open("/proc/"+first+"/maps", unix.O_RDONLY), open("/proc/"+first+"/environ", unix.O_RDONLY))
			},
		},
		{
			id: "K03", attack: "get a handle on a process of the host", success: "pidfd_open answers a descriptor",
			walls: []string{pidNS}, with: []string{tree},
			try: func(c *cell) verdict {
				pid, _ := c.sleeper()
				return c.all(sys(unix.SYS_PIDFD_OPEN, pid, 0))
			},
		},
		{
			id: "K03", attack: "kill a process of the host by its handle", success: "it is dead",
			walls: []string{pidNS, landlock}, root: []string{userID}, with: []string{tree},
			try: func(c *cell) verdict {
				pid, alive := c.sleeper()
				as := c.calls(sys(unix.SYS_PIDFD_OPEN, pid, 0), sys(unix.SYS_PIDFD_SEND_SIGNAL, ref(0), unix.SIGKILL, 0, 0))
				return verdict{!alive(), told(as, false).saw}
			},
		},
		{
			id: "K03", attack: "take a descriptor out of another process", success: "pidfd_getfd answers a descriptor",
			walls: []string{filter}, need: setting("ptrace of one's own processes", "kernel/yama/ptrace_scope", "0"),
			try: onSibling(sys(unix.SYS_PIDFD_OPEN, other, 0), sys(unix.SYS_PIDFD_GETFD, ref(0), 0, 0)),
		},
		{
			id: "K04", attack: "kill a process of the host", success: "it is dead",
			walls: []string{pidNS, landlock}, root: []string{userID}, with: []string{tree},
			try: func(c *cell) verdict {
				pid, alive := c.sleeper()
				as := c.calls(sys(unix.SYS_KILL, pid, unix.SIGKILL))
				return verdict{!alive(), told(as, false).saw}
			},
		},
		{
			id: "K22", attack: "see the host's processes", success: "the victim reads one's command line",
			walls: []string{tree},
			try: func(c *cell) verdict {
				pid, _ := c.sleeper()
				as := c.calls(open(fmt.Sprintf("/proc/%d/comm", pid), unix.O_RDONLY), readOf(0))
				return told(as, len(as) == 2 && as[1].Data == "sleep\n")
			},
		},
		{
			id: "K22", attack: "read the kernel's symbols and keys", success: "there is something to read",
			walls: []string{tree},
			try: func(c *cell) verdict {
				as := c.calls(open("/proc/kallsyms", unix.O_RDONLY), readOf(0), open("/proc/keys", unix.O_RDONLY), readOf(2))
				return told(as, len(as) == 4 && as[1].Data+as[3].Data != "")
			},
		},
		{
			id: "K22", attack: "learn where the host keeps its control groups", success: "/proc/self/cgroup shows more than the root",
			walls: []string{jail.StepNamespaces},
			need:  need{"a control group that is not the root", grouped},
			try: func(c *cell) verdict {
				res := c.run("/bin/grep", "-v", ":/$", "/proc/self/cgroup")
				return verdict{res.ExitCode == 0, string(res.Stdout)}
			},
		},
		{
			id: "K22", attack: "learn the host's name", success: "uname tells it",
			walls: []string{jail.StepNamespaces},
			try: func(c *cell) verdict {
				name, err := os.Hostname()
				c.must(err)
				c.run("/bin/uname", "-n")
				return verdict{strings.TrimSpace(string(c.result.Stdout)) == name, string(c.result.Stdout)}
			},
			need: need{"a host name of its own", func() bool { name, err := os.Hostname(); return err == nil && name != "sandbox" }},
		},
		{
			id: "B07", attack: "change the host's name (to the same one)", success: "sethostname answers 0, outside",
			root: []string{utsNS, filter, userID, caps}, with: []string{jail.StepNamespaces},
			only: "root", why: "no ordinary user changes it",
			try: func(c *cell) verdict {
				name, err := os.Hostname()
				c.must(err)
				mine, err := os.Readlink("/proc/self/ns/uts")
				c.must(err)
				as := c.calls(sys(unix.SYS_SETHOSTNAME, name, len(name)), sys(unix.SYS_READLINKAT, at, "/proc/self/ns/uts", buf(100), 100))
				return told(as, worked(as, 2) && as[1].Data == mine)
			},
		},
		{
			id: "B08", attack: "attach the host's shared memory", success: "the victim's shmat answers an address",
			walls: []string{ipcNS},
			try: func(c *cell) verdict {
				id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, unix.IPC_CREAT|0o666)
				c.must(err)
				defer func() { _, err := unix.SysvShmCtl(id, unix.IPC_RMID, nil); c.must(err) }()
				return c.all(sys(unix.SYS_SHMAT, id, 0, 0))
			},
		},
		{
			id: "K27", attack: "leave a daemon behind that outlives the command", success: "it still holds its lock",
			walls: []string{pidNS}, with: []string{tree},
			try: func(c *cell) verdict {
				c.write(c.writable+"/lock", "")
				c.attack("daemon", c.writable+"/lock", "20")
				return c.held(c.writable+"/lock", 0)
			},
		},
		{
			id: "K27", attack: "outlive Bulkhead when it is killed", success: "the command still holds its lock",
			walls: []string{jail.StepDeath}, with: []string{jail.StepCgroup}, // the next start on this host sweeps the groups of the dead
			try: outlives,
		},
		{
			id: "K28", attack: "hold stdout open by a daemon after the command's end", success: "the caller waits for it",
			walls: []string{pidNS}, with: []string{tree},
			try: func(c *cell) verdict {
				c.write(c.writable+"/lock", "")
				c.attack("daemon", c.writable+"/lock", "4", "stdout")
				return verdict{c.result.Duration > 3*time.Second, c.result.Duration.String()}
			},
		},
		{
			id: "B09", attack: "be root of the host", success: "the host sees a process of uid 0",
			root: []string{userID}, only: "root", why: "an ordinary user's sandbox is that user",
			try: func(c *cell) verdict {
				var status string
				c.alive(func(pid int) { status = c.read(fmt.Sprintf("/proc/%d/status", pid)) })
				_, ids, _ := strings.Cut(status, "Uid:")
				ids, _, _ = strings.Cut(ids, "\n")
				return verdict{slices.Contains(strings.Fields(ids), "0"), "user ids " + ids}
			},
		},
		{
			id: "B10", attack: "undo the order to die with Bulkhead", success: "prctl answers 0",
			walls: []string{filter},
			try:   all(sys(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, 0, 0, 0, 0)),
		},
		{
			id: "K28", attack: "forge the end of the command and the report", success: "status 0 is reported, or a wall that does not exist",
			bare: true, why: "without Bulkhead there is no report: whoever reads the output believes it",
			try: forged,
		},
		{
			id: "K29", attack: "get code into the sandbox by the host's LD_PRELOAD", success: "the victim has the variable",
			bare: true, why: "the environment is made anew, and nothing else can be",
			try: leakedEnv("LD_PRELOAD"),
		},
		{
			id: "S01", attack: "read a secret of the host out of any process's environment", success: "the victim has the secret",
			bare: true, why: "the environment is made anew, and no process of the host is there",
			try: leakedEnv("BULKHEAD_ATTACK_TOKEN"),
		},
	}
}

// grouped says whether a sandbox's groups have names: root's have, an ordinary
// user's are the suite's own.
func grouped() bool {
	b, err := os.ReadFile("/proc/self/cgroup")
	return err == nil && (asRoot() || regexp.MustCompile(`(?m):/.+$`).Match(b))
}

// any is the verdict that one of the calls worked.
func (c *cell) any(list ...call) verdict { return anyOf(list...)(c) }

// leakedEnv sets a variable of the host for the time of the try.
func leakedEnv(name string) func(*cell) verdict {
	return func(c *cell) verdict {
		value := secret
		if name == "LD_PRELOAD" {
			value = c.hidden + "/" + secret // the linker only warns about it
		}
		c.must(os.Setenv(name, value))
		defer os.Unsetenv(name)
		c.attack("env")
		return verdict{c.leaked().succeeded, "the environments that the victim can read"} // which are not shown: they may be the host's
	}
}

// forged believes the report that Run returns, or, without a sandbox, the
// only one there is.
func forged(c *cell) verdict {
	res := c.attack("forge")
	if c.bare {
		return verdict{strings.Contains(string(res.Stdout), "forged"), string(res.Stdout)}
	}
	saw := fmt.Sprintf("exit %d, signal %d, report %+v", res.ExitCode, res.Signal, res.Report)
	return verdict{res.ExitCode != 5 || res.Report.Layer != string(policy.Native) || strings.Contains(saw, "forged"), saw}
}

// held says whether somebody still holds the lock after a time in which he may
// be dying, and ends who does.
func (c *cell) held(file string, dying time.Duration) verdict {
	c.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	c.must(err)
	defer f.Close()
	for end := time.Now().Add(dying); ; time.Sleep(20 * time.Millisecond) {
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			return verdict{false, "the lock is free"}
		}
		if time.Now().After(end) {
			break
		}
	}
	info, err := f.Stat()
	c.must(err)
	pid := holder(info)
	if pid > 1 {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	return verdict{true, fmt.Sprintf("process %d holds the lock", pid)}
}
