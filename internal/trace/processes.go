//go:build linux

package trace

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// signalling watches a call whose first argument is a process. Groups and
// "everybody" (zero and negative numbers) reach only what is inside.
func signalling(operation string) func(call) verdict {
	return func(c call) verdict {
		pid := c.int(0)
		if pid <= 0 || !c.look(fmt.Sprintf("/proc/%d", pid), false).missing {
			return verdict{}
		}
		return c.stranger(operation, fmt.Sprintf("process %d", pid), pid, unix.ESRCH)
	}
}

// stranger refuses a process that is only on the host. A process that ended is
// not meant: no pid up to the newest can be told from it.
func (c call) stranger(operation, object string, pid int, errno syscall.Errno) verdict {
	if int64(pid) <= c.s.newest.Load() || !onHost(fmt.Sprintf("/proc/%d", pid)) {
		return verdict{}
	}
	return deny(errno, operation, object, c.s.Steps.PIDs, "")
}

// fork refuses a new process or thread at the limit, and counts the others:
// pids inside are handed out one after the other, so none is larger than the
// number of forks.
func (c call) fork() verdict {
	if c.s.Tasks != nil {
		if now, limit := c.s.Tasks(); limit > 0 && now >= limit {
			return deny(unix.EAGAIN, "fork", fmt.Sprintf("more than %d processes", limit), c.s.Steps.Tasks, "limits.pids")
		}
	}
	c.s.newest.Add(1)
	return verdict{}
}
