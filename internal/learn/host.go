package learn

import (
	"bufio"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// host is what is known of the host's people.
type host struct {
	homes []string
}

// readHost reads who has a home. A host that does not tell has at least /root.
func readHost(more []string) host {
	h := host{homes: []string{"/root"}}
	for _, home := range more {
		if path.IsAbs(home) {
			h.homes = append(h.homes, path.Clean(home), realPath(path.Clean(home)))
		}
	}
	f, err := os.Open("/etc/passwd")
	if err != nil {
		return h
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Split(s.Text(), ":")
		if len(fields) > 6 && inAny(path.Clean(fields[5]), []string{"/home", "/root"}) {
			h.homes = append(h.homes, path.Clean(fields[5]))
		}
	}
	slices.Sort(h.homes)
	h.homes = slices.Compact(h.homes)
	return h
}

// inHome says whether a path is in somebody's home.
func (h host) inHome(p string) bool { return inAny(p, append([]string{"/home"}, h.homes...)) }

// judge says whether a person should look at a grant, and why.
func (l *learner) judge(g grant) (Verdict, string) {
	real := realPath(g.Path)
	switch {
	case g.Write && len(g.inside) > 0:
		return Look, "it is written: " + some(g.Path, g.inside) + " in it"
	case g.Write:
		return Look, "it is written"
	case real != g.Path:
		return Look, "it is a link, or lies behind one, to " + real
	case l.host.inHome(g.Path):
		return Look, "it lies in somebody's home"
	case !readableByAll(g.Path):
		return Look, "not everybody on the host may read it"
	case g.folder && !g.known:
		return Look, "it is a folder, too large to be looked through for secrets"
	case g.folder:
		return Look, "it is a folder, with all that is in it"
	}
	return OK, "a file that everybody on the host may read"
}

// exists says whether the host has something at a path; links count as such.
func exists(p string) bool {
	_, err := os.Lstat(p)
	return err == nil
}

// isFolder says whether a path leads to a folder.
func isFolder(p string) bool {
	info, err := os.Stat(p)
	return err == nil && info.IsDir()
}

// realPath follows links; a path that leads nowhere stays as it is.
func realPath(p string) string {
	real, err := filepath.EvalSymlinks(p)
	if err != nil {
		return p
	}
	return real
}

// special says what a path is that is neither a file nor a folder.
func special(p string) string {
	info, err := os.Stat(p)
	if err != nil {
		return "not there"
	}
	switch info.Mode().Type() {
	case 0, fs.ModeDir:
		return ""
	case fs.ModeSocket:
		return "a socket: whoever can name it can talk to the program behind it"
	}
	return "neither a file nor a folder"
}

// readableByAll says whether every user of the host may read a path, so that
// nothing is told that was not told before.
func readableByAll(p string) bool {
	for at := realPath(p); at != "/"; at = path.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return false
		}
		want := fs.FileMode(0o004)
		if info.IsDir() {
			want = 0o005
		}
		if info.Mode()&want != want {
			return false
		}
	}
	return true
}

// markers are what a folder has that is a project.
var markers = []string{
	".git", ".hg", "go.mod", "package.json", "pyproject.toml", "setup.py", "Cargo.toml", "Makefile",
	"CMakeLists.txt", "pom.xml", "build.gradle", "Gemfile", "composer.json", "requirements.txt",
}

// isProject says whether a folder looks like one.
func isProject(dir string) bool {
	return slices.ContainsFunc(markers, func(name string) bool { return exists(path.Join(dir, name)) })
}

const (
	maxLooked = 4000 // files and folders that are looked at for secrets
	maxDepth  = 8
)

// holdsSecrets names a secret in a folder; empty: none was found. whole says
// whether everything was looked at.
func holdsSecrets(dir string) (found string, whole bool) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", false
	}
	defer root.Close()
	looked := 0
	whole = true
	_ = fs.WalkDir(root.FS(), ".", func(rel string, d fs.DirEntry, err error) error {
		looked++
		switch {
		case err != nil:
			whole = false
			return nil
		case looked > maxLooked:
			whole = false
			return fs.SkipAll
		case rel == ".":
			return nil
		case secretName(d.Name()) || secretFile(d.Name()):
			found = rel
			return fs.SkipAll
		case d.Name() == ".git" || d.Name() == "node_modules":
			return fs.SkipDir
		case d.IsDir() && strings.Count(rel, "/") >= maxDepth:
			whole = false
			return fs.SkipDir
		}
		return nil
	})
	return found, whole
}

// secretFile are hidden files that hold keys in a project.
func secretFile(name string) bool {
	return matchesAny([]string{".env", ".env.*", ".netrc", ".npmrc", ".pypirc", ".aws", ".ssh", ".gnupg", ".docker", ".kube"}, strings.ToLower(name))
}
