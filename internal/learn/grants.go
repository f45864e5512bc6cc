package learn

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// grant is a suggestion with what is known of the path.
type grant struct {
	Suggestion
	folder bool
	known  bool     // a folder that was looked through for secrets
	inside []string // for a folder that stands for several paths: these
}

// grants is a set of grants, by path.
type grants []grant

// add grants them on top of a policy.
func (g grants) add(base policy.Policy) policy.Policy {
	var read, write []string
	for _, one := range g {
		if one.Write {
			write = append(write, one.Path)
		} else {
			read = append(read, one.Path)
		}
	}
	p := base.Clone()
	if len(read) > 0 {
		p = p.With(policy.ReadOnly(read...))
	}
	if len(write) > 0 {
		p = p.With(policy.Writable(write...))
	}
	return p
}

// with adds grants; one for the same path becomes the wider of both, and what
// others cover is dropped.
func (g grants) with(more grants) grants {
	all := slices.Clone(g)
	for _, m := range more {
		i := slices.IndexFunc(all, func(have grant) bool { return have.Path == m.Path })
		if i < 0 {
			all = append(all, m)
			continue
		}
		m.Seen = merge(all[i].Seen, m.Seen)
		m.Write = m.Write || all[i].Write
		m.inside = merge(all[i].inside, m.inside)
		all[i] = m
	}
	slices.SortStableFunc(all, func(a, b grant) int { return cmp.Compare(a.Path, b.Path) })
	return slices.DeleteFunc(all, func(one grant) bool {
		return slices.ContainsFunc(all, func(other grant) bool {
			return other.Path != one.Path && other.folder && beneath(one.Path, other.Path) && (other.Write || !one.Write)
		})
	})
}

// has says whether a path is covered already.
func (g grants) has(p string, write bool) bool {
	return slices.ContainsFunc(g, func(have grant) bool {
		return (have.Write || !write) && (have.Path == p || have.folder && beneath(p, have.Path))
	})
}

func merge(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// beneath says whether a clean path is a folder or in it.
func beneath(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}

// probing are operations by which programs only look whether something is
// there. What they ask for is granted only when nothing else is left.
var probing = []string{"stat", "access", "readlink"}

// propose turns the refusals of a run into grants to try, and keeps a note of
// what will not be granted.
func (l *learner) propose(r sandbox.Result) grants {
	var needed, probed grants
	for _, d := range append(slices.Clone(r.Report.Denials), l.program(r)...) {
		g, ok := l.candidate(d)
		switch {
		case !ok || l.grants.has(g.Path, g.Write):
		case slices.Contains(probing, d.Operation):
			probed = probed.with(grants{g})
		default:
			needed = needed.with(grants{g})
		}
	}
	if len(needed) > 0 {
		return needed
	}
	return probed
}

// program is the refusal that no trace tells: the kernel does not say that a
// program is not there when it is started.
func (l *learner) program(r sandbox.Result) []event.Denial {
	name := l.Args[0]
	if !path.IsAbs(name) || r.ExitCode != 126 && r.ExitCode != 127 || beneath(path.Clean(name), "/usr") || !exists(name) {
		return nil
	}
	return []event.Denial{{Operation: "exec", Object: path.Clean(name), Grant: readFlag + path.Clean(name)}}
}

// The flags by which denials say what would allow them.
const (
	readFlag  = "--read "
	writeFlag = "--write "
)

// candidate is the grant that a refusal asks for. false: there is none to try.
func (l *learner) candidate(d event.Denial) (grant, bool) {
	name, write := strings.CutPrefix(d.Grant, writeFlag)
	if !write {
		var read bool
		if name, read = strings.CutPrefix(d.Grant, readFlag); !read {
			l.refusals.note(d, noFlag(d))
			return grant{}, false
		}
	}
	if meant, ok := l.argument(name); ok {
		name = meant
	}
	// A name with strange letters is told with escapes, and may then be
	// another one's.
	if path.Clean(name) != name || !path.IsAbs(name) || !exists(name) {
		l.refusals.note(d, "its name cannot be told exactly")
		return grant{}, false
	}
	g := grant{Suggestion: Suggestion{Path: name, Write: write, Seen: []string{d.Operation}}, folder: isFolder(name)}
	if write && !g.folder { // a file that is saved by renaming another one over it needs its folder
		g.Path, g.folder, g.inside = path.Dir(name), true, []string{name}
	}
	if why := l.never(g.Path, g.Write); why != "" {
		l.refusals.note(d, why)
		return grant{}, false
	}
	if g.folder {
		secret, whole := holdsSecrets(realPath(g.Path))
		if secret != "" {
			l.refusals.note(d, "it holds "+secret+", which looks like a secret: name the files beside it")
			return grant{}, false
		}
		g.known = whole
	}
	g.Verdict, g.Why = l.judge(g)
	return g, true
}

// argument is the path on the command line that is meant where a folder above
// it was refused: some programs look at every folder on the way.
func (l *learner) argument(refused string) (string, bool) {
	if !isFolder(refused) {
		return "", false
	}
	for _, arg := range l.Args[1:] {
		if _, after, ok := strings.Cut(arg, "="); ok && strings.HasPrefix(arg, "-") {
			arg = after
		}
		if p := path.Clean(arg); path.IsAbs(arg) && p != refused && beneath(p, refused) && exists(p) {
			return p, true
		}
	}
	return "", false
}

// noFlag says why a refusal has no grant.
func noFlag(d event.Denial) string {
	for _, row := range ungrantable {
		if strings.HasPrefix(d.Step, row.step) {
			return row.why
		}
	}
	return "no grant would allow it"
}

// ungrantable says what to make of refusals that no path would allow, by the
// step that refused.
var ungrantable = []struct{ step, why string }{
	{"network namespace", "the network is not proposed: decide yourself whom it may reach"},
	{"pid namespace", "processes of the host are out of reach"},
	{"cgroup", "a limit was reached: raise it by hand if that is right"},
	{"seccomp", "the system call is refused to every sandbox, or to those of the strict profile"},
	{"read-only mount", "system folders are not written"},
	{"private root", "it belongs to the kernel or to the system, or is a socket"},
}

// widen replaces several grants in one folder by the folder.
func (l *learner) widen(g grants) grants {
	for {
		wider, ok := l.widenOnce(g)
		if !ok {
			return g
		}
		g = wider
	}
}

// enoughIn is how many grants in a folder stand for the folder itself: fewer
// in a project, where one file seldom comes alone.
func enoughIn(dir string) int {
	for range 5 {
		if isProject(dir) {
			return 2
		}
		dir = path.Dir(dir)
	}
	return 3
}

func (l *learner) widenOnce(g grants) (grants, bool) {
	count := map[string][]grant{}
	for _, one := range g {
		for dir := path.Dir(one.Path); dir != "/"; dir = path.Dir(dir) {
			count[dir] = append(count[dir], one)
		}
	}
	dirs := make([]string, 0, len(count))
	for dir := range count {
		dirs = append(dirs, dir)
	}
	slices.SortFunc(dirs, func(a, b string) int { // the deepest first, then by name
		return cmp.Or(cmp.Compare(strings.Count(b, "/"), strings.Count(a, "/")), cmp.Compare(a, b))
	})
	for _, dir := range dirs {
		if len(count[dir]) < enoughIn(dir) {
			continue
		}
		if wide, ok := l.folder(dir, count[dir]); ok {
			return g.with(grants{wide}), true
		}
	}
	return g, false
}

// folder is one grant in the place of several; false where that would show too
// much.
func (l *learner) folder(dir string, of []grant) (grant, bool) {
	g := grant{Suggestion: Suggestion{Path: dir}, folder: true}
	for _, one := range of {
		if one.Write {
			return grant{}, false // what is written stays as narrow as it was asked for
		}
		g.Seen = merge(g.Seen, one.Seen)
		g.inside = merge(g.inside, append(one.inside, one.Path))
	}
	if secret, whole := holdsSecrets(realPath(dir)); secret != "" || !whole || l.never(dir, false) != "" {
		return grant{}, false
	}
	g.known = true
	g.Verdict, g.Why = Look, fmt.Sprintf("%d paths in it were asked for: %s", len(g.inside), some(dir, g.inside))
	return g, true
}

// some names a few of many paths in a folder.
func some(dir string, paths []string) string {
	var names []string
	for _, p := range paths {
		if names = append(names, strings.TrimPrefix(p, dir+"/")); len(names) == 4 {
			break
		}
	}
	text := strings.Join(names, ", ")
	if len(paths) > len(names) {
		text += ", …"
	}
	return text
}
