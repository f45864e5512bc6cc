//go:build linux

package uidlease

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// A database of ids: which fields of a line (separated by colons) are an id
// and the length of a range. Length -1 means one id.
var databases = []struct {
	file       string
	id, length int
}{
	{"etc/passwd", 2, -1},
	{"etc/passwd", 3, -1},
	{"etc/group", 2, -1},
	{"etc/subuid", 1, 2},
	{"etc/subgid", 1, 2},
}

// checkHost refuses a host that uses ids of the range itself, or that cannot
// use them: inside a container the range may not be mapped.
func checkHost(root string) error {
	for _, d := range databases {
		text, err := os.ReadFile(filepath.Join(root, d.file))
		if err != nil && !os.IsNotExist(err) {
			return fault.Newf(fault.Unsupported, "user ids for sandboxes: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			if collides(strings.Split(strings.TrimSpace(line), ":"), d.id, d.length) {
				return fault.Newf(fault.Unsupported, "/%s uses ids from %d to %d, which Bulkhead gives to sandboxes", d.file, First, Last)
			}
		}
	}
	for _, name := range []string{"uid_map", "gid_map"} {
		text, err := os.ReadFile(filepath.Join(root, "proc/self", name))
		if err != nil || !mapped(string(text)) {
			return fault.Newf(fault.Unsupported, "ids from %d to %d do not exist in this user namespace (/proc/self/%s)", First, Last, name)
		}
	}
	return nil
}

// collides says whether one line's ids meet the range. A line that is not
// understood collides with nothing: it names no id for anybody.
func collides(fields []string, id, length int) bool {
	if len(fields) <= max(id, length) {
		return false
	}
	first, err := strconv.ParseUint(fields[id], 10, 32)
	if err != nil {
		return false
	}
	n := uint64(1)
	if length >= 0 {
		if n, err = strconv.ParseUint(fields[length], 10, 64); err != nil || n == 0 {
			return false
		}
	}
	return first <= Last && (first >= First || n > First-first)
}

// mapped says whether one line of an id map has the whole range.
func mapped(text string) bool {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		inside, err1 := strconv.ParseUint(f[0], 10, 32)
		length, err2 := strconv.ParseUint(f[2], 10, 32)
		if err1 == nil && err2 == nil && inside <= First && inside+length > Last {
			return true
		}
	}
	return false
}

// inUse says whether a living process has an id. It reads all of /proc, so it
// is asked only about ids whose holder was killed. What cannot be read counts
// as in use, except a process that just ended.
func inUse(proc string, uid int) bool {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return true
	}
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join(proc, e.Name(), "status"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue
		}
		if err != nil || hasID(string(text), strconv.Itoa(uid)) {
			return true
		}
	}
	return false
}

// hasID looks through the four user ids and the four group ids of a process.
func hasID(status, id string) bool {
	for line := range strings.Lines(status) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != "Uid:" && f[0] != "Gid:" {
			continue
		}
		for _, have := range f[1:] {
			if have == id {
				return true
			}
		}
	}
	return false
}
