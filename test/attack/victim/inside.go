//go:build linux

package victim

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// inside makes a list of calls as root of namespaces of its own: inside FLAGS
// LIST. Without them it tells why there are none.
func inside(args []string) any {
	flags, err := strconv.ParseUint(args[0], 0, 64)
	if err != nil {
		return counted("read the flags", 0, err)
	}
	cmd := again("calls", args[1])
	cmd.Stdout = os.Stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: uintptr(flags)}
	if flags&syscall.CLONE_NEWUSER != 0 {
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	err = cmd.Run()
	var exit *exec.ExitError
	if err == nil || errors.As(err, &exit) {
		return nil // the child said it
	}
	return counted("new namespaces", 0, err)
}
