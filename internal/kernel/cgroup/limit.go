//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// period is the span in microseconds over which processor time is counted.
const period = 100_000

// setting is one file of a group and what to write into it.
type setting struct {
	file, value string
	swap        bool // may be missing where the kernel does not account swap
}

// settings is what a limit means on each version, in the order of writing.
func settings(version int, controller string, l Limits) []setting {
	bytes, quota := strconv.FormatInt(l.Memory, 10), strconv.Itoa(int(l.CPUs*period))
	switch fmt.Sprint(controller, version) {
	case "memory1":
		return []setting{{file: "memory.limit_in_bytes", value: bytes}, {"memory.memsw.limit_in_bytes", bytes, true}}
	case "memory2":
		return []setting{{file: "memory.max", value: bytes}, {"memory.swap.max", "0", true}}
	case "pids1", "pids2":
		return []setting{{file: "pids.max", value: strconv.FormatInt(l.Pids, 10)}}
	case "cpu1":
		return []setting{{file: "cpu.cfs_period_us", value: strconv.Itoa(period)}, {file: "cpu.cfs_quota_us", value: quota}}
	case "cpu2":
		return []setting{{file: "cpu.max", value: quota + " " + strconv.Itoa(period)}}
	}
	return nil
}

// limit sets the limit of one controller, if there is one.
func (g *Group) limit(m member, controller string, l Limits) error {
	if !l.wants(controller) {
		return nil
	}
	for _, s := range settings(m.version, controller, l) {
		err := write(m.path, s.file, s.value)
		if s.swap && errors.Is(err, fs.ErrNotExist) {
			g.noSwapLimit()
			continue
		}
		if err != nil {
			return fmt.Errorf("limit %s: %w", controller, err)
		}
	}
	return nil
}

// noSwapLimit records that swapped memory is not counted, which matters only
// where there is swap.
func (g *Group) noSwapLimit() {
	if hasSwap("/proc/swaps") {
		g.missing = append(g.missing, "cgroup memory: this kernel does not account swap, so memory can grow into it")
	}
}

// hasSwap says whether the list of swap areas has more than its heading. A
// list that cannot be read counts as swap.
func hasSwap(path string) bool {
	b, err := os.ReadFile(filepath.Clean(path))
	return err != nil || strings.Count(string(b), "\n") > 1
}
