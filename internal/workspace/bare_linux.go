package workspace

import (
	"path"
	"slices"
	"strings"
)

// bareRepositories protects what git would obey in a folder that only looks
// like one of its own: it takes any folder with these names for a repository.
func (l *looker) bareRepositories() {
	for i := range l.changes {
		c := &l.changes[i]
		if c.folder != l.folder || c.Protected != "" || l.guard.Named(c.Path) {
			continue
		}
		if dir, ok := gitFolder(c.rel); ok && l.has(path.Join(dir, "HEAD")) && l.has(path.Join(dir, "objects")) && l.has(path.Join(dir, "refs")) {
			c.Protected = "a bare git repository: git runs what it names"
		}
	}
}

// gitFolder is the folder that would have to be a repository for git to obey
// a path.
func gitFolder(rel string) (dir string, ok bool) {
	names := strings.Split(rel, "/")
	for i, name := range names {
		if n := strings.ToLower(name); n == "hooks" || n == "config" && i == len(names)-1 {
			return path.Join(append([]string{"."}, names[:i]...)...), true
		}
	}
	return "", false
}

// has says whether a path is in a layer or on the host. A removal counts too:
// who removes it can bring it back.
func (l *looker) has(rel string) bool {
	for _, t := range append(slices.Clone(l.layers), l.base) {
		if _, err := t.stat(rel); err == nil {
			return true
		}
	}
	return false
}
