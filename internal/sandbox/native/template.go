package native

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/jail"
)

// places are the folders beyond scratch that a template has ready for mounts.
var places = []string{WorkPath, "/payloads"}

// useTemplate takes the user's template instead of building the tree at the
// start, when there is one and nothing of the plan needs a tree of its own.
func (pl *plan) useTemplate(own, grants []grant) {
	if pl.init != "" || pl.user == nil || len(grants) > 0 || len(pl.layer.opt.Drop) > 0 {
		return
	}
	for _, g := range own {
		if !g.folder || g.target != places[0] && g.target != places[1] {
			return
		}
	}
	tree := pl.user.template(pl.layer, &pl.spec)
	if tree == nil {
		return
	}
	s := &pl.spec
	s.Joins, pl.tree, pl.below = true, tree, s.Binds
	s.Binds, s.Links, s.Files, s.Devices, s.Dirs = nil, nil, nil, nil, nil
}

// template returns the user's template. The first sandbox of a user builds its
// tree by itself: for a program that starts only one, a template would cost
// more than it saves. nil means that there is none (yet).
func (usr *user) template(l *Layer, s *jail.Spec) *os.File {
	if usr.uses < 2 || usr.noTree {
		return nil
	}
	if usr.tree == nil {
		tree, err := buildTemplate(l, *s)
		if err != nil {
			usr.noTree = true // the slow way works, or fails naming the step
			return nil
		}
		usr.tree = tree
	}
	return usr.tree
}

// buildTemplate runs the program that builds a template and takes the mount
// namespace that it sends.
func buildTemplate(l *Layer, s jail.Spec) (*os.File, error) {
	s.Dirs = nil
	for _, t := range s.Tmpfs {
		s.Dirs = append(s.Dirs, jail.Dir{Path: t.Target, Mode: 0o755})
	}
	for _, p := range places {
		s.Dirs = append(s.Dirs, jail.Dir{Path: p, Mode: 0o755})
	}
	s.Tmpfs = nil

	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	pid, pidfd, err := l.launcher.Start(s.Template(), []int{pair[1]}, -1)
	if err != nil {
		return nil, err
	}
	defer unix.Close(pidfd)
	if _, err := unix.Wait4(pid, nil, 0, nil); err != nil {
		return nil, fmt.Errorf("wait for template: %w", err)
	}
	fd, err := receive(pair[0])
	if err != nil {
		return nil, fmt.Errorf("receive template: %w", err)
	}
	return os.NewFile(uintptr(fd), "template"), nil
}
