package native

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/bulkhead-dev/bulkhead/internal/jail"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Protected paths in folders that are shown directly: what exists is mounted
// over itself, read-only, so that the sandbox can neither write nor rename it;
// so are the folders above it, so that they cannot be renamed either. What
// comes into being while the sandbox runs cannot be prevented, and a program
// of the host that replaces a pinned file by another one takes the pin away.
// So everything is looked at again when the sandbox has ended, and told.

const (
	maxPins    = 256    // in one sandbox, with the folders above
	maxScanned = 20_000 // files and folders in one grant
	maxSeen    = 4_000  // protected files of one grant that are compared afterwards
	maxLoose   = 5      // paths that cannot be pinned, told one by one
	maxUnkept  = 20     // changes that are told one by one
)

// watch is a folder shown directly, with the protected paths that it had.
type watch struct {
	folder string // on the host
	before seen
}

// seen is what a look at a folder found, by path in it.
type seen struct {
	at      map[string]state
	tops    []top  // the protected paths that are in no other one
	partial string // why not everything was seen; empty: everything was
}

// top is a protected path by itself.
type top struct {
	rel, why string
	link     bool
}

// state tells one state of a file from another: nobody can set a ctime.
type state struct {
	dev, ino uint64
	changed  syscall.Timespec
}

// protect pins the protected paths of every grant that is bound for writing,
// but for folders of Bulkhead's own.
func (pl *plan) protect(direct []grant) error {
	if len(pl.spec.Overlays) > 0 {
		pl.enforced(jail.StepProtect, "what is written stays in the overlay; a commit leaves protected paths out")
	}
	guard := pl.guard(direct)
	pl.kept = guard
	pins := newPins()
	for _, g := range direct {
		if !g.write || !g.folder || g.own && !pl.req.Guard {
			continue
		}
		found := look(g.source, guard)
		if err := pl.pin(pins, g, found); err != nil {
			return err
		}
		pl.watches = append(pl.watches, watch{g.source, found})
	}
	pl.spec.Pins = pins.list
	return nil
}

// guard knows the protected paths by where the grants really lead.
func (pl *plan) guard(direct []grant) policy.Guard {
	f := policy.Filesystem{}
	for _, s := range pl.req.Policy.Filesystem.Protect {
		if rest, ok := strings.CutPrefix(s, "$WORKSPACE"); ok && pl.req.Workspace != "" {
			s = pl.req.Workspace + rest
		}
		f.Protect = append(f.Protect, s)
	}
	for _, g := range direct {
		if g.write && !g.own {
			f.Write = append(f.Write, g.source)
		}
	}
	return policy.NewGuard(f)
}

// pins is the list of pins in the making.
type pins struct {
	list []jail.Pin
	has  map[string]bool
}

func newPins() *pins { return &pins{has: map[string]bool{}} }

// add pins a path of a grant and the folders above it, up to the grant. false:
// there is no room left.
func (p *pins) add(target, rel string) bool {
	var fresh []jail.Pin
	for _, at := range above(rel) {
		pin := jail.Pin{Path: path.Join(target, at), Write: at != rel}
		if !p.has[pin.Path] {
			fresh = append(fresh, pin)
		}
	}
	if len(p.list)+len(fresh) > maxPins {
		return false
	}
	for _, pin := range fresh {
		p.has[pin.Path] = true
	}
	p.list = append(p.list, fresh...)
	return true
}

// above are the folders above a relative path, outermost first, and the path.
func above(rel string) []string {
	var all []string
	for i, c := range rel {
		if c == '/' {
			all = append(all, rel[:i])
		}
	}
	return append(all, rel)
}

// pin pins what was found in a grant, and tells what could not be.
func (pl *plan) pin(pins *pins, g grant, found seen) error {
	pinned, loose := 0, 0
	for _, t := range found.tops {
		why := ""
		switch {
		case t.link:
			why = "it is a symbolic link, which cannot be pinned"
		case !pins.add(g.target, t.rel):
			why = fmt.Sprintf("a sandbox has room for %d pins only", maxPins)
		default:
			pinned++
			continue
		}
		asked := strings.HasSuffix(t.why, policy.ByPolicy)
		if loose++; loose > maxLoose && !asked {
			continue
		}
		if err := pl.lacking(jail.StepProtect, !asked, "%s: %s; show the folder through an overlay instead", path.Join(g.source, t.rel), why); err != nil {
			return err
		}
	}
	if loose > maxLoose {
		_ = pl.lacking(jail.StepProtect, true, "%s: and %d more that cannot be pinned", g.source, loose-maxLoose)
	}
	if found.partial != "" {
		if err := pl.lacking(jail.StepProtect, true, "%s was not looked through: %s", g.source, found.partial); err != nil {
			return err
		}
	}
	pl.enforced(jail.StepProtect, "%d in %s are read-only; what is new is told afterwards", pinned, g.target)
	return nil
}

// look finds the protected paths of a host folder. Links are not followed.
func look(folder string, guard policy.Guard) seen {
	s := seen{at: map[string]state{}}
	root, err := os.OpenRoot(folder)
	if err != nil {
		s.partial = "it cannot be opened"
		return s
	}
	defer root.Close()
	scanned := 0
	err = fs.WalkDir(root.FS(), ".", func(rel string, d fs.DirEntry, err error) error {
		scanned++
		switch {
		case err != nil && rel == ".":
			return err
		case err != nil:
			s.partial = "a folder in it cannot be read"
			return fs.SkipDir
		case rel == ".":
			return nil
		case scanned > maxScanned:
			s.partial = fmt.Sprintf("it has more than %d files", maxScanned)
			return fs.SkipAll
		case len(s.at) >= maxSeen:
			s.partial = fmt.Sprintf("it has more than %d protected files", maxSeen)
			return fs.SkipAll
		}
		s.note(rel, d, guard.Protected(folder, rel, d.IsDir()))
		return nil
	})
	if err != nil {
		s.partial = "it cannot be read"
	}
	return s
}

// note remembers a protected path; why is empty for others.
func (s *seen) note(rel string, d fs.DirEntry, why string) {
	info, err := d.Info()
	if why == "" || err != nil {
		return
	}
	if _, inside := s.at[path.Dir(rel)]; !inside {
		s.tops = append(s.tops, top{rel, why, d.Type()&fs.ModeSymlink != 0})
	}
	st := info.Sys().(*syscall.Stat_t)
	s.at[rel] = state{st.Dev, st.Ino, st.Ctim}
}

// unkept tells which protected paths are not as they were.
func (pl *plan) unkept() []string {
	var all []string
	for _, w := range pl.watches {
		after := look(w.folder, pl.kept)
		for _, rel := range union(w.before.at, after.at) {
			if what := compare(w.before.at, after.at, rel); what != "" {
				all = append(all, fmt.Sprintf("%s: %s %s while it ran", jail.StepProtect, path.Join(w.folder, rel), what))
			}
		}
		if after.partial != "" && after.partial != w.before.partial {
			all = append(all, fmt.Sprintf("%s: %s was not looked through afterwards: %s", jail.StepProtect, w.folder, after.partial))
		}
	}
	if n := len(all); n > maxUnkept {
		all = append(all[:maxUnkept], fmt.Sprintf("%s: and %d more changes", jail.StepProtect, n-maxUnkept))
	}
	return all
}

// union lists the paths of two looks in order.
func union(a, b map[string]state) []string {
	both := maps.Clone(a)
	maps.Copy(both, b)
	return slices.Sorted(maps.Keys(both))
}

// compare says what became of a path; empty: nothing.
func compare(before, after map[string]state, rel string) string {
	was, then := before[rel]
	is, now := after[rel]
	switch {
	case !now:
		return "was removed"
	case !then:
		return "was made"
	case was != is:
		return "was changed"
	}
	return ""
}
