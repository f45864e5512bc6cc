//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// How patient Kill and Close are.
const (
	tries    = 100
	firstNap = 200 * time.Microsecond
	longest  = 40 * time.Millisecond // so about 3 s in all
)

// Kill ends every process in the group, and returns when none is left or, with
// an error, after about three seconds. It is for what may have escaped a pid
// namespace's own end, and may be repeated.
func (g *Group) Kill() error {
	var errs []error
	for _, m := range g.members {
		errs = append(errs, killAll(m.path))
	}
	return errors.Join(errs...)
}

// killAll ends every process in one folder. First no more may be born there,
// so that a fork bomb cannot outrun the list.
func killAll(dir string) error {
	_ = write(dir, "pids.max", "0") // not every folder has it
	_ = write(dir, "cgroup.kill", "1")
	nap := firstNap
	for range tries {
		pids := words(filepath.Join(dir, "cgroup.procs"))
		if len(pids) == 0 {
			return nil
		}
		for _, word := range pids {
			if pid, err := strconv.Atoi(word); err == nil && pid > 0 {
				killMember(pid, dir)
			}
		}
		time.Sleep(nap)
		nap = min(2*nap, longest)
	}
	return fmt.Errorf("kill cgroup %s: processes do not end", dir)
}

// killMember kills one process of a folder. The list gave a number, and by now
// it may be somebody else's: the process is pinned first, and must be in the
// folder while it is pinned.
func killMember(pid int, dir string) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if isMember(pid, dir) {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}

// isMember says whether a process is in the group that a folder shows. Group
// names are unique, so the end of the path is enough, whatever the mount shows.
func isMember(pid int, dir string) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return false
	}
	tail := "/" + parent + "/" + filepath.Base(dir)
	for line := range strings.Lines(string(b)) {
		if strings.HasSuffix(strings.TrimSuffix(line, "\n"), tail) {
			return true
		}
	}
	return false
}

// rmdir removes an empty group, and waits for one that is just becoming empty.
func rmdir(dir string) error {
	nap := firstNap
	var err error
	for range tries {
		err = unix.Rmdir(dir)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) {
			break
		}
		time.Sleep(nap)
		nap = min(2*nap, longest)
	}
	return &os.PathError{Op: "rmdir", Path: dir, Err: err}
}
