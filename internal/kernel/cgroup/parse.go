//go:build linux

package cgroup

import (
	"path/filepath"
	"strings"
)

// mount is one mounted hierarchy.
type mount struct {
	version     int
	root        string          // the cgroup that the mount shows at its top
	point       string          // where it is mounted
	controllers map[string]bool // of version 1; version 2 lists its own in a file
}

// membership is which group the caller is in, as /proc/self/cgroup says.
type membership struct {
	v1 map[string]string // by controller
	v2 string            // empty: not in version 2
}

// parseMounts reads the cgroup mounts of /proc/self/mountinfo:
//
//	35 31 0:32 /root /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
//
// The fields before the dash vary in number; see proc(5).
func parseMounts(text string) []mount {
	var mounts []mount
	for line := range strings.Lines(text) {
		head, tail, ok := strings.Cut(line, " - ")
		before, after := strings.Fields(head), strings.Fields(tail)
		if !ok || len(before) < 5 || len(after) < 3 {
			continue
		}
		m := mount{root: unescape(before[3]), point: unescape(before[4])}
		switch after[0] {
		case "cgroup":
			m.version, m.controllers = 1, set(strings.Split(after[2], ","))
		case "cgroup2":
			m.version = 2
		default:
			continue
		}
		mounts = append(mounts, m)
	}
	return mounts
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// parseOwn reads /proc/self/cgroup: "4:memory:/path" and "0::/path".
func parseOwn(text string) membership {
	own := membership{v1: map[string]string{}}
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 {
			continue
		}
		if parts[0] == "0" && parts[1] == "" {
			own.v2 = parts[2]
			continue
		}
		for name := range strings.SplitSeq(parts[1], ",") {
			own.v1[name] = parts[2]
		}
	}
	return own
}

// locate is where the mount shows a group. A container's mount shows only a
// part of the hierarchy, and a group outside it is not to be found.
func (m mount) locate(group string) (string, bool) {
	if group == "" {
		return "", false
	}
	rel, err := filepath.Rel(m.root, group)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return "", false
	}
	return filepath.Join(m.point, rel), true
}

func set(words []string) map[string]bool {
	s := make(map[string]bool, len(words))
	for _, w := range words {
		s[w] = true
	}
	return s
}
