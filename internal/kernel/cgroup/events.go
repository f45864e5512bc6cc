//go:build linux

package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Events counts how often the kernel held a group to its limits.
type Events struct {
	PidsMax  int64 // forks refused
	OOMKills int64 // processes killed for want of memory
}

// Where the counters stand: controller, version, file, word.
var counters = []struct {
	controller string
	version    int
	file, word string
	field      func(*Events) *int64
}{
	{"pids", 1, "pids.events", "max", func(e *Events) *int64 { return &e.PidsMax }},
	{"pids", 2, "pids.events", "max", func(e *Events) *int64 { return &e.PidsMax }},
	{"memory", 1, "memory.oom_control", "oom_kill", func(e *Events) *int64 { return &e.OOMKills }},
	{"memory", 2, "memory.events", "oom_kill", func(e *Events) *int64 { return &e.OOMKills }},
}

// Events reads the counters. They are the kernel's own, so nothing that runs
// in the group can change them. They are gone after Close. A controller that
// the group does not have counts nothing.
func (g *Group) Events() (Events, error) {
	var e Events
	for _, c := range counters {
		m, ok := g.member(c.controller, c.version)
		if !ok {
			continue
		}
		n, err := count(filepath.Join(m.path, c.file), c.word)
		if err != nil {
			return Events{}, fmt.Errorf("read cgroup events: %w", err)
		}
		*c.field(&e) = n
	}
	return e, nil
}

// Peak is the most memory in bytes that the group used at any time; 0 when the
// kernel does not say.
func (g *Group) Peak() int64 {
	files := map[int]string{1: "memory.max_usage_in_bytes", 2: "memory.peak"}
	for version, file := range files {
		if m, ok := g.member("memory", version); ok {
			n, _ := number(filepath.Join(m.path, file))
			return n
		}
	}
	return 0
}

// Current is the number of processes and threads in the group now; 0 when the
// kernel does not say.
func (g *Group) Current() int64 {
	for _, version := range []int{1, 2} {
		if m, ok := g.member("pids", version); ok {
			n, _ := number(filepath.Join(m.path, "pids.current"))
			return n
		}
	}
	return 0
}

// member is the folder that a controller has in the group.
func (g *Group) member(controller string, version int) (member, bool) {
	for _, m := range g.members {
		if m.version == version && slices.Contains(m.controllers, controller) {
			return m, true
		}
	}
	return member{}, false
}

// count finds a word's number in a file of "word number" lines; 0 when the
// file does not have the word.
func count(path, word string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) == 2 && f[0] == word {
			return strconv.ParseInt(f[1], 10, 64)
		}
	}
	return 0, nil
}

// number reads a file that holds one number.
func number(path string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
}
