package command

import "syscall"

// ownGroup gives a command a session of its own, which ends with Bulkhead.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}
