package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// Roots are where an operator's grants really lead: host paths free of
// symbolic links, found when the grants were given. Names alone cannot tell
// whether a request stays within a grant: whoever may write beneath a granted
// folder can put a link there that leads anywhere. The zero Roots holds
// nothing.
type Roots struct {
	Read  []string
	Write []string
}

// RootsOf follows the links of a resolved policy's grants, now. Of a path that
// does not exist (yet) the part that does is followed.
func RootsOf(p Policy) Roots {
	return Roots{Read: realPaths(p.Filesystem.Read), Write: realPaths(p.Filesystem.Write)}
}

func realPaths(paths []string) []string {
	var all []string
	for _, s := range paths {
		if !inWorkspace(s) && isResolved(s) {
			all = append(all, realPath(s))
		}
	}
	return all
}

// realPath follows the links of an absolute path as far as it exists.
func realPath(s string) string {
	if real, err := filepath.EvalSymlinks(s); err == nil {
		return real
	}
	dir := filepath.Dir(s)
	if dir == s {
		return s
	}
	return filepath.Join(realPath(dir), filepath.Base(s))
}

// Holds says whether a host path without symbolic links is granted, for
// reading or for writing.
func (r Roots) Holds(real string, write bool) bool {
	return anyCovers(r.Write, real) || !write && anyCovers(r.Read, real)
}

// Check refuses a resolved policy one of whose paths leads out of the roots by
// a symbolic link. What does not exist leads nowhere yet: a layer asks Holds
// about what it really opens. The error is a fault.Denied that names all.
func (r Roots) Check(p Policy) error {
	var refused, flags []string
	each := func(flag string, paths []string, write bool) {
		for _, s := range paths {
			if inWorkspace(s) {
				continue
			}
			real, err := filepath.EvalSymlinks(s)
			if errors.Is(err, fs.ErrNotExist) || err == nil && r.Holds(real, write) {
				continue
			}
			if err != nil {
				refused = append(refused, fmt.Sprintf("%s cannot be followed: %v", quote(s), err))
				continue
			}
			refused = append(refused, fmt.Sprintf("%s leads to %s, which is not granted", quote(s), quote(real)))
			flags = append(flags, flag+" "+shellQuote(real))
		}
	}
	each("--read", p.Filesystem.Read, false)
	each("--write", p.Filesystem.Write, true)

	if len(refused) == 0 {
		return nil
	}
	denied := fault.New(fault.Denied, strings.Join(refused, "\n"))
	if len(flags) == 0 {
		return denied
	}
	return denied.WithHint("if that is meant: %s", strings.Join(flags, " "))
}
