package native

import (
	"os"
	"path/filepath"

	"github.com/bulkhead-dev/bulkhead/internal/jail"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/cgroup"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/landlock"
)

// facts are what the layer knows about the host. They are read once: a start
// checks again whatever it opens, and fails naming the step when it is gone.
type facts struct {
	binds       []jail.Bind // the system's programs and libraries
	links       []jail.Link
	abi         int // of Landlock; 0: none
	abiErr      error
	groups      cgroup.Hierarchy
	controllers map[string]cgroup.Controller
}

func (l *Layer) readFacts() *facts {
	f := &facts{controllers: map[string]cgroup.Controller{}}
	f.system()
	if !l.lacks("landlock") {
		f.abi, f.abiErr = landlock.ABI()
	}
	for _, name := range []string{"memory", "pids", "cpu"} {
		f.controllers[name] = cgroup.Controller{Name: name, Why: "this host has no cgroups"}
	}
	if l.lacks("cgroup") {
		return f
	}
	if h, err := cgroup.Detect(); err == nil {
		f.groups = h
		for _, c := range h.Controllers() {
			f.controllers[c.Name] = c
		}
		_, _ = h.Sweep() // what a killed process of ours left behind
	}
	return f
}

// system finds the host's programs and libraries.
func (f *facts) system() {
	for _, dir := range systemRoots {
		info, err := os.Lstat(dir)
		if err != nil {
			continue
		}
		if info.Mode()&os.ModeSymlink != 0 {
			if target, err := os.Readlink(dir); err == nil {
				f.links = append(f.links, jail.Link{Path: dir, Target: target})
			}
			continue
		}
		f.binds = append(f.binds, jail.Bind{Source: dir, Target: dir, Folder: true})
	}
	for _, file := range systemFiles {
		real, err := filepath.EvalSymlinks(file)
		if err != nil {
			continue
		}
		info, err := os.Stat(real)
		if err != nil || !(info.IsDir() || info.Mode().IsRegular()) {
			continue
		}
		if within(real, "/usr") {
			f.links = append(f.links, jail.Link{Path: file, Target: real})
			continue
		}
		f.binds = append(f.binds, jail.Bind{Source: real, Target: file, Folder: info.IsDir()})
	}
}
