package workspace

import (
	"errors"
	"fmt"
	"path"
)

// removed notes something that the host has and the sandbox took away.
func (l *looker) removed(rel string, base entry) error {
	c := Change{Op: Removed, Kind: base.kind(), WasMode: base.permissions(), rel: rel, was: base.stamp()}
	if base.isDir() {
		return l.replacedFolder(c, rel, base)
	}
	l.add(c)
	return nil
}

// replacedFolder notes the removal of a whole folder of the host: how much is
// in it, what of that is protected, and when it changed last.
func (l *looker) replacedFolder(c Change, rel string, base entry) error {
	if err := l.countHost(&c, rel, 0); err != nil {
		return err
	}
	l.add(c)
	return nil
}

func (l *looker) countHost(c *Change, rel string, depth int) error {
	if depth > l.limits.Depth || len(rel) > maxRel {
		c.Problem = "its folders are nested too deep"
		return nil
	}
	names, err := l.base.names(rel, l.left)
	if errors.Is(err, errTooMany) {
		return l.spend(l.left + 1)
	}
	if err != nil {
		c.Problem = "it cannot be looked into: " + reason(err)
		return nil
	}
	if err := l.spend(len(names)); err != nil {
		return err
	}
	for _, name := range names {
		at := path.Join(rel, name)
		st, err := l.base.stat(at)
		if err != nil {
			c.Problem = fmt.Sprintf("%s in it cannot be looked at: %s", name, reason(err))
			continue
		}
		e := entry{there: true, st: st}
		c.Entries++
		if !e.isDir() && st.Ctim.Nano() != l.written[at] { // a folder changes with every file in it
			c.latest = max(c.latest, st.Ctim.Nano())
		}
		if why := l.guard.Protected(l.source, at, e.isDir()); why != "" && c.Protected == "" {
			c.Protected = "it holds " + why
		}
		if e.isDir() {
			if err := l.countHost(c, at, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}
