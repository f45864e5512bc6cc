package native

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/jail"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// maxGrants bounds the folders of one sandbox.
const maxGrants = 40

// grant is one host path that is shown inside.
type grant struct {
	source string // free of symbolic links
	target string
	write  bool
	own    bool // Bulkhead's own choice: payloads, work folder; not the policy's
	owner  owner
	folder bool
}

// private are the places that a sandbox has of its own and a grant never covers.
var private = []string{"/proc", "/sys", "/dev", "/.bulkhead"}

// resolve turns the policy's paths into host paths without symbolic links and
// refuses what may not be granted. Each problem is named; all at once. The
// warnings are grants too large to be searched for sockets.
func (l *Layer) resolve(fs policy.Filesystem, within *policy.Roots) (grants []grant, warnings []string, err error) {
	var problems fault.Problems
	add := func(key string, i int, p string, write bool) {
		g, err := resolveOne(p, write)
		if err == nil {
			err = stays(p, g, within)
		}
		if err != nil {
			problems = append(problems, fault.Problem{Pointer: fmt.Sprintf("/filesystem/%s/%d", key, i), Reason: err.Error()})
			return
		}
		grants = append(grants, g...)
	}
	for i, p := range fs.Read {
		add("read", i, p, false)
	}
	for i, p := range fs.Write {
		add("write", i, p, true)
	}
	if len(grants) > maxGrants {
		problems = append(problems, fault.Problem{Pointer: "/filesystem", Reason: fmt.Sprintf("%d paths are more than the %d that one sandbox can have", len(grants), maxGrants), Fix: "grant a common parent folder"})
	}
	if len(problems) > 0 {
		return nil, nil, fault.Newf(fault.Denied, "%w", problems)
	}
	warnings, err = l.mayGrant(grants)
	return merge(grants), warnings, err
}

// mayGrant asks the policy's own rules about where the grants really lead.
func (l *Layer) mayGrant(grants []grant) ([]string, error) {
	if len(grants) == 0 {
		return nil, nil
	}
	var real policy.Policy
	for _, g := range grants {
		if g.write {
			real.Filesystem.Write = append(real.Filesystem.Write, g.source)
		} else {
			real.Filesystem.Read = append(real.Filesystem.Read, g.source)
		}
	}
	host := policy.HostPaths{System: systemRoots}
	for _, dir := range append([]string{l.users.dir}, l.opt.State...) {
		host.Own = append(host.Own, realFolder(dir))
	}
	if self, err := os.Executable(); err == nil {
		host.Binaries = []string{self}
	}
	if err := policy.Check(real, host); err != nil {
		return nil, err
	}
	return policy.CheckSockets(real, policy.ScanLimits{})
}

// realFolder follows the links of a folder's path, if it is there.
func realFolder(dir string) string {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real
	}
	return dir
}

func resolveOne(p string, write bool) ([]grant, error) {
	if p == "$WORKSPACE" || strings.HasPrefix(p, "$WORKSPACE/") {
		return nil, nil // the work folder is granted anyway
	}
	if !filepath.IsAbs(p) {
		return nil, fmt.Errorf("%q is not an absolute path", p)
	}
	real, err := filepath.EvalSymlinks(p)
	if err != nil {
		return nil, fmt.Errorf("%q cannot be granted: %w", p, err)
	}
	for _, target := range []string{real, filepath.Clean(p)} {
		if own := place(target); own != "" {
			return nil, fmt.Errorf("%q cannot be granted: a sandbox has its own %s", p, own)
		}
	}
	info, err := os.Stat(real)
	if err != nil {
		return nil, fmt.Errorf("%q cannot be granted: %w", p, err)
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%q is %s; only regular files and folders can be granted", p, kind(info.Mode()))
	}
	st := info.Sys().(*syscall.Stat_t)
	g := grant{source: real, target: real, write: write, folder: info.IsDir(), owner: owner{int(st.Uid), int(st.Gid)}}
	if alias := filepath.Clean(p); alias != real {
		a := g
		a.target = alias
		return []grant{g, a}, nil
	}
	return []grant{g}, nil
}

// stays refuses a grant that a symbolic link led out of the roots. The start
// opens the very path that is judged here, and follows no link again.
func stays(asked string, grants []grant, within *policy.Roots) error {
	for _, g := range grants {
		if within != nil && !within.Holds(g.source, g.write) {
			return fmt.Errorf("%q leads to %q, which is not granted", asked, g.source)
		}
	}
	return nil
}

// place returns the sandbox's own place that p is, lies in or would cover; ""
// for none. The root counts as one: it is built anew for each sandbox.
func place(p string) string {
	if p == "/" {
		return "/"
	}
	if within(homePath, p) || within(p, homePath) {
		return homePath
	}
	for _, own := range private {
		if within(p, own) {
			return own
		}
	}
	return ""
}

// within says whether p is dir or beneath it.
func within(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// merge keeps one grant a target, the wider one, and drops what the system
// folders show anyway.
func merge(grants []grant) []grant {
	slices.SortStableFunc(grants, func(a, b grant) int { return cmp.Compare(a.target, b.target) })
	var out []grant
	for _, g := range grants {
		if !g.write && within(g.target, "/usr") {
			continue
		}
		if n := len(out); n > 0 && out[n-1].target == g.target {
			out[n-1].write = out[n-1].write || g.write
			continue
		}
		out = append(out, g)
	}
	return out
}

func kind(m os.FileMode) string {
	switch {
	case m&os.ModeSocket != 0:
		return "a socket"
	case m&os.ModeNamedPipe != 0:
		return "a pipe"
	default:
		return "a device"
	}
}

// binds turns grants into mounts. For root each is seen through an id map.
func (pl *plan) binds(grants []grant) error {
	for _, g := range grants {
		b := jail.Bind{Source: g.source, Target: g.target, Write: g.write, Folder: g.folder}
		if pl.user != nil {
			n, err := pl.mapped(g.owner)
			if err != nil {
				return err
			}
			b.Mapped = n
		}
		pl.spec.Binds = append(pl.spec.Binds, b)
		// A file of the host that was granted takes the place of ours.
		pl.spec.Files = slices.DeleteFunc(pl.spec.Files, func(f jail.File) bool { return f.Path == g.target })
	}
	return nil
}

// mapped returns the number, from 1, of the id map for an owner.
func (pl *plan) mapped(o owner) (int, error) {
	f, err := pl.user.mapFor(o)
	if err != nil {
		return 0, fault.Newf(fault.Unsupported, "grants: %w", err)
	}
	for i, fd := range pl.maps {
		if fd == f {
			return i + 1, nil
		}
	}
	pl.maps = append(pl.maps, f)
	return len(pl.maps), nil
}
