//go:build unix && !linux

package command

import "syscall"

// ownGroup gives a command a session of its own. Only Linux can tie it to
// Bulkhead's life.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
