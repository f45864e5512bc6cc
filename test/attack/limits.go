//go:build linux

package attack

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/jail"
	"github.com/bulkhead-dev/bulkhead/policy"
)

func limitRows() []row {
	return []row{
		{
			id: "K20", attack: "fork bomb", success: "100 children where 40 processes are allowed",
			walls: []string{jail.StepRlimits}, root: []string{jail.StepCgroup},
			policy: func(p *policy.Policy) { p.Limits.PIDs = 40 },
			try: func(c *cell) verdict {
				c.attack("forks", "100")
				return verdict{c.count() == 100, string(c.result.Stdout)}
			},
		},
		{
			id: "K20", attack: "memory bomb", success: "256 MiB where 64 are allowed",
			root: []string{jail.StepCgroup}, only: "root", why: "an ordinary user has no cgroup here: the report says so",
			policy: func(p *policy.Policy) { p.Limits.Memory = 64 << 20 },
			try: func(c *cell) verdict {
				c.attack("memory", "256")
				return verdict{c.count() == 256, string(c.result.Stdout)}
			},
		},
		{
			id: "K20", attack: "descriptor bomb", success: "500 files where 64 are allowed",
			walls:  []string{jail.StepRlimits},
			policy: func(p *policy.Policy) { p.Limits.OpenFiles = 64 },
			try: func(c *cell) verdict {
				c.attack("files", "500")
				return verdict{c.count() == 500, string(c.result.Stdout)}
			},
		},
		{
			id: "K20", attack: "endless file", success: "the host's file is longer than 1 MiB",
			walls:  []string{jail.StepRlimits},
			policy: func(p *policy.Policy) { p.Limits.FileSize = 1 << 20 },
			try: func(c *cell) verdict {
				c.attack("fill", c.writable+"/long", "2048")
				info, err := os.Stat(c.writable + "/long")
				return verdict{err == nil && info.Size() > 1<<20, string(c.result.Stdout)}
			},
		},
		{
			id: "F33", attack: "fill the scratch folder", success: "4 MiB where 1 is allowed",
			bare: true, why: "without a private root it would fill the host's /tmp; without a sandbox it fills a folder of the suite",
			policy: func(p *policy.Policy) { p.Limits.Scratch = 1 << 20 },
			try: func(c *cell) verdict {
				file := "/tmp/long"
				if c.bare {
					file = c.writable + "/long"
				}
				c.attack("fill", file, "4096")
				return verdict{c.count() == 4096, string(c.result.Stdout)}
			},
		},
		{
			id: "F33", attack: "fill the scratch folder with empty files", success: "4000 where 1024 are allowed",
			bare: true, why: "as above",
			policy: func(p *policy.Policy) { p.Limits.Scratch = 1 << 20 },
			try: func(c *cell) verdict {
				dir := "/tmp"
				if c.bare {
					dir = c.writable
				}
				c.attack("touch", dir, "4000")
				return verdict{c.count() == 4000, string(c.result.Stdout)}
			},
		},
		{
			id: "K21", attack: "leave a core dump", success: "the host has the file",
			walls: []string{jail.StepRlimits}, need: need{"core dumps", dumps},
			try: func(c *cell) verdict {
				c.run("/bin/sh", "-c", fmt.Sprintf("cd %s && sh -c 'kill -SEGV $$'; true", c.writable))
				found, err := filepath.Glob(c.writable + "/core*")
				c.must(err)
				return verdict{len(found) > 0, fmt.Sprint(found)}
			},
		},
		{
			id: "K21", attack: "crash into a core handler of the host", success: "the limit is not 1, at which the kernel starts no handler",
			walls: []string{jail.StepRlimits},
			try: func(c *cell) verdict {
				as := c.calls(sys(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_CORE, 0, dump(16)))
				return verdict{len(as) == 1 && as[0].Data != hex.EncodeToString(rlimit(1)), told(as, false).saw}
			},
		},
		{
			id: "B13", attack: "have the kernel end the host's processes first when memory runs out", success: "the victim is as likely as they are",
			walls: []string{jail.StepOOM},
			try: func(c *cell) verdict {
				as := c.calls(open("/proc/self/oom_score_adj", unix.O_RDONLY), readOf(0))
				was := c.read("/proc/self/oom_score_adj")
				return told(as, len(as) == 2 && as[1].Data == was)
			},
		},
		{
			id: "K28", attack: "flood of output", success: "more than 64 KiB come out",
			bare: true, why: "the caller of a command has nothing that bounds it",
			policy: func(p *policy.Policy) { p.Limits.Output = 64 << 10 },
			try: func(c *cell) verdict {
				res := c.run("/bin/sh", "-c", "head -c 4000000 /dev/zero")
				return verdict{len(res.Stdout) > 64<<10, fmt.Sprintf("%d bytes, limit %q", len(res.Stdout), res.Limit)}
			},
		},
		{
			id: "K28", attack: "end like a command that was killed", success: "it is reported as a signal",
			bare: true, why: "without Bulkhead a shell cannot tell them apart: both are 137",
			try: func(c *cell) verdict {
				if c.bare {
					killed := c.run("/bin/sh", "-c", "sh -c 'kill -9 $$'")
					faked := c.run("/bin/sh", "-c", "exit 137")
					return verdict{killed.ExitCode == faked.ExitCode, "both end with 137"}
				}
				res := c.run("/bin/sh", "-c", "exit 137")
				return verdict{res.Signal != 0 || res.ExitCode != 137, fmt.Sprintf("exit %d, signal %d", res.ExitCode, res.Signal)}
			},
		},
	}
}

// dumps says whether a crash of this user's leaves a file in its folder, and
// lets crashes of the suite's children do so.
func dumps() bool {
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	if err != nil || len(pattern) == 0 || pattern[0] == '|' || pattern[0] == '/' {
		return false
	}
	const infinity = ^uint64(0)
	return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: infinity, Max: infinity}) == nil
}
