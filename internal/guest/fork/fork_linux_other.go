//go:build linux && !amd64

package fork

import (
	"os"
	"syscall"
)

// Start runs c in a new process with a session and a process group of its own
// and returns its pid. On this architecture a command cannot have a filter of
// its own: Start then fails at the step Filter with ENOSYS.
func Start(c *Command) (int, error) {
	if err := c.check(); err != nil {
		return 0, err
	}
	if len(c.Filter) > 0 {
		return 0, &Error{Filter, syscall.ENOSYS}
	}
	attr := &syscall.ProcAttr{Dir: c.Dir, Env: c.Env, Sys: &syscall.SysProcAttr{Setsid: true, Setctty: c.TTY}}
	for i, fd := range c.Stdio {
		if fd < 0 {
			fd = i
		}
		attr.Files = append(attr.Files, uintptr(fd))
	}
	if c.Dir != "" {
		if _, err := os.Stat(c.Dir); err != nil {
			return 0, &Error{Dir, errno(err)}
		}
	}
	pid, err := syscall.ForkExec(c.Path, c.Args, attr)
	if err != nil {
		return 0, &Error{Execve, errno(err)}
	}
	return pid, nil
}

func errno(err error) syscall.Errno {
	if pe, ok := err.(*os.PathError); ok {
		err = pe.Err
	}
	if e, ok := err.(syscall.Errno); ok {
		return e
	}
	return syscall.EINVAL
}
