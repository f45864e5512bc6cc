//go:build linux

package attack

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// TestLimits_areWhatTheKernelHolds reads the limits back where the kernel
// keeps them for the process: its cgroups and its own limits.
func TestLimits_areWhatTheKernelHolds(t *testing.T) {
	kerneltest.NeedRoot(t)
	for _, launcher := range launchers {
		c := house.cell(t, row{}, launcher, nil)
		c.policy.Limits = policy.Limits{Memory: 96 << 20, PIDs: 77, OpenFiles: 55}
		c.alive(func(pid int) {
			groups := groupsOf(pid)
			for _, want := range []struct {
				controller string
				files      []string // version 1, version 2
				value      string
			}{
				{"memory", []string{"memory.limit_in_bytes", "memory.max"}, fmt.Sprint(96 << 20)},
				{"pids", []string{"pids.max"}, "77"},
			} {
				if got := groups.read(want.controller, want.files); got != want.value {
					t.Errorf("%s: %s = %q, want %s", launcher, want.files[0], got, want.value)
				}
			}
			limits := c.read(fmt.Sprintf("/proc/%d/limits", pid))
			if !regexp.MustCompile(`Max open files +55 +55 `).MatchString(limits) {
				t.Errorf("%s: open files: %s", launcher, limits)
			}
		})
	}
}

// groups are the cgroup folders of a process, by controller; the empty one is
// version 2's.
type groups map[string]string

func groupsOf(pid int) groups {
	g := groups{}
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	for line := range strings.Lines(string(b)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		for _, controller := range strings.Split(parts[1], ",") {
			g[controller] = parts[2]
		}
	}
	return g
}

// read returns the first of some files that a process's group has.
func (g groups) read(controller string, files []string) string {
	for _, place := range []string{"/sys/fs/cgroup/" + controller + g[controller], "/sys/fs/cgroup" + g[""], "/sys/fs/cgroup/unified" + g[""]} {
		for _, file := range files {
			if b, err := os.ReadFile(filepath.Join(place, file)); err == nil {
				return strings.TrimSpace(string(b))
			}
		}
	}
	return ""
}

// TestTinyMemoryLimit_endsOnlyTheSandbox gives a sandbox less memory than its
// own start needs: the process that starts it must not be the one that pays.
func TestTinyMemoryLimit_endsOnlyTheSandbox(t *testing.T) {
	kerneltest.NeedRoot(t)
	for _, launcher := range launchers {
		for _, limit := range []policy.Bytes{64 << 10, 256 << 10, 1 << 20} {
			c := house.cell(t, row{}, launcher, nil)
			c.policy.Limits.Memory = limit
			res, err := c.manager().Run(t.Context(), sandbox.Request{Args: []string{"/bin/sh", "-c", "head -c 100000000 /dev/zero | tail -c 90000000 | wc -c"}, Policy: c.policy}, sandbox.IO{})
			if err == nil && strings.TrimSpace(string(res.Stdout)) == "90000000" {
				t.Errorf("%s: %d bytes were not a limit", launcher, limit)
			}
		}
	}
}
