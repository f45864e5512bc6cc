//go:build linux

package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// extra are the version 1 controllers that only a live group joins: it can be
// frozen, and it is asked what it uses.
var extra = []string{"freezer", "cpuacct", "blkio"}

// Usage is what a group's processes use together. What the kernel does not
// tell is zero.
type Usage struct {
	CPU     time.Duration // so far
	Memory  int64         // bytes now
	Peak    int64         // bytes at most, so far
	Pids    int64         // processes and threads now
	Read    int64         // bytes from block devices
	Written int64         // bytes to block devices
}

// Usage reads the kernel's counters. They are gone after Close.
func (g *Group) Usage() Usage {
	u := Usage{Pids: g.Current(), Peak: g.Peak()}
	if m, ok := g.member("memory", 1); ok {
		u.Memory, _ = number(filepath.Join(m.path, "memory.usage_in_bytes"))
	}
	if m, ok := g.member("memory", 2); ok {
		u.Memory, _ = number(filepath.Join(m.path, "memory.current"))
	}
	if m, ok := g.member("cpuacct", 1); ok {
		n, _ := number(filepath.Join(m.path, "cpuacct.usage"))
		u.CPU = time.Duration(n)
	}
	if m, ok := g.v2(); ok {
		n, _ := count(filepath.Join(m.path, "cpu.stat"), "usage_usec")
		u.CPU = time.Duration(n) * time.Microsecond
		u.Read, u.Written = ioStat(filepath.Join(m.path, "io.stat"))
	}
	if m, ok := g.member("blkio", 1); ok {
		u.Read, u.Written = blkio(filepath.Join(m.path, "blkio.throttle.io_service_bytes"))
	}
	return u
}

// v2 returns the group's folder on version 2.
func (g *Group) v2() (member, bool) {
	for _, m := range g.members {
		if m.version == 2 {
			return m, true
		}
	}
	return member{}, false
}

// ioStat sums the devices of io.stat: "8:0 rbytes=1 wbytes=2 …".
func ioStat(path string) (read, written int64) {
	for _, word := range fields(path) {
		key, value, _ := strings.Cut(word, "=")
		n, _ := strconv.ParseInt(value, 10, 64)
		switch key {
		case "rbytes":
			read += n
		case "wbytes":
			written += n
		}
	}
	return read, written
}

// blkio sums the devices of a blkio file: "8:0 Read 1" a line.
func blkio(path string) (read, written int64) {
	list := fields(path)
	for i := 0; i+1 < len(list); i++ {
		n, _ := strconv.ParseInt(list[i+1], 10, 64)
		switch list[i] {
		case "Read":
			read += n
		case "Write":
			written += n
		}
	}
	return read, written
}

func fields(path string) []string {
	b, _ := os.ReadFile(filepath.Clean(path))
	return strings.Fields(string(b))
}

// Limit changes limits. Zero fields stay as they are. It fails with
// fault.Unsupported, and changes nothing, when a controller is missing.
func (g *Group) Limit(l Limits) error {
	if err := l.check(); err != nil {
		return err
	}
	for _, name := range wanted {
		if l.wants(name) && !g.has(name) {
			return fault.Newf(fault.Unsupported, "cgroup %s: this group does not have the controller", name)
		}
	}
	for _, m := range g.members {
		for _, name := range m.controllers {
			if err := g.limit(m, name, raised(m, name, l)); err != nil {
				return err
			}
		}
	}
	return nil
}

// raised is l; version 1 wants memory and swap together raised before memory
// alone, so a raise first lifts the former.
func raised(m member, controller string, l Limits) Limits {
	if m.version == 1 && controller == "memory" && l.Memory > 0 {
		_ = write(m.path, "memory.memsw.limit_in_bytes", strconv.FormatInt(l.Memory, 10))
	}
	return l
}

func (g *Group) has(controller string) bool {
	for version := 1; version <= 2; version++ {
		if _, ok := g.member(controller, version); ok {
			return true
		}
	}
	return false
}

// frozenWait bounds how long Freeze waits for the last process to stop.
const frozenWait = 5 * time.Second

// Freeze stops every process of the group, and returns when all have stopped.
// It fails with fault.Unsupported when the host lets us freeze none.
func (g *Group) Freeze() error {
	if m, ok := g.member("freezer", 1); ok {
		if err := write(m.path, "freezer.state", "FROZEN"); err != nil {
			return fmt.Errorf("freeze: %w", err)
		}
		return g.await(func() bool { return strings.Join(fields(filepath.Join(m.path, "freezer.state")), "") == "FROZEN" })
	}
	if m, ok := g.v2(); ok {
		if err := write(m.path, "cgroup.freeze", "1"); err != nil {
			return fmt.Errorf("freeze: %w", err)
		}
		return g.await(func() bool { n, _ := count(filepath.Join(m.path, "cgroup.events"), "frozen"); return n == 1 })
	}
	return fault.New(fault.Unsupported, "pause needs the freezer controller, or cgroup v2, and the right to use it")
}

func (g *Group) await(done func() bool) error {
	for deadline := time.Now().Add(frozenWait); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if done() {
			return nil
		}
	}
	_ = g.Thaw()
	return fault.New(fault.Unavailable, "a process of the sandbox could not be stopped")
}

// Thaw lets a frozen group go on. A group that is not frozen stays as it is.
func (g *Group) Thaw() error {
	if m, ok := g.member("freezer", 1); ok {
		return write(m.path, "freezer.state", "THAWED")
	}
	if m, ok := g.v2(); ok {
		return write(m.path, "cgroup.freeze", "0")
	}
	return fault.New(fault.Unsupported, "resume needs the freezer controller, or cgroup v2, and the right to use it")
}
