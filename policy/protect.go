package policy

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
)

// protection is one row of the default set: names that programs of the host
// read and act on, so that whoever writes them runs code outside the sandbox.
type protection struct {
	pattern string // names with / between, at any depth; * within a name, ** for any number of names
	why     string
	special bool // only where it is no folder
}

// protections is the default set. It is compared without regard to case and
// to letters that some file systems ignore.
var protections = []protection{
	{".git/hooks", "git runs them", false},
	{".git/config", "git runs what it names", false},
	{".git/config.worktree", "git runs what it names", false},
	{".git/modules/**/hooks", "git runs them", false},
	{".git/modules/**/config", "git runs what it names", false},
	{".git/worktrees/*/config.worktree", "git runs what it names", false},
	{".git", "it would lead git to another folder", true},
	{".gitmodules", "git fetches what it names", false},
	{".gitconfig", "git runs what it names", false},
	{".config/git", "git runs what it names", false},
	{".husky", "git runs them", false},
	{".pre-commit-config.yaml", "git runs what it names", false},

	{".bashrc", "shells run it", false},
	{".bash_profile", "shells run it", false},
	{".bash_login", "shells run it", false},
	{".bash_logout", "shells run it", false},
	{".bash_aliases", "shells run it", false},
	{".profile", "shells run it", false},
	{".zshrc", "shells run it", false},
	{".zshenv", "shells run it", false},
	{".zprofile", "shells run it", false},
	{".zlogin", "shells run it", false},
	{".zlogout", "shells run it", false},
	{".kshrc", "shells run it", false},
	{".cshrc", "shells run it", false},
	{".tcshrc", "shells run it", false},
	{".login", "shells run it", false},
	{".config/fish", "shells run it", false},
	{".envrc", "direnv runs it", false},
	{".mise.toml", "mise runs it", false},
	{".inputrc", "shells obey it", false},

	{".xprofile", "sessions run it", false},
	{".xinitrc", "sessions run it", false},
	{".xsession", "sessions run it", false},
	{".xsessionrc", "sessions run it", false},
	{".pam_environment", "sessions obey it", false},
	{".config/autostart", "sessions run it", false},
	{".config/systemd", "systemd runs it", false},
	{".config/environment.d", "sessions obey it", false},

	{".ssh", "it opens the host to others", false},
	{".gnupg", "it holds keys", false},
	{".netrc", "it holds passwords", false},

	{".npmrc", "npm runs what it names", false},
	{".yarnrc", "yarn runs what it names", false},
	{".yarnrc.yml", "yarn runs what it names", false},
	{".pnpmfile.cjs", "pnpm runs it", false},
	{".pypirc", "it holds passwords", false},
	{".cargo/config", "cargo runs what it names", false},
	{".cargo/config.toml", "cargo runs what it names", false},
	{".gdbinit", "debuggers run it", false},
	{".lldbinit", "debuggers run it", false},
	{".curlrc", "curl obeys it", false},
	{".wgetrc", "wget obeys it", false},
	{".ripgreprc", "it names programs to run", false},
	{".tmux.conf", "tmux runs what it names", false},
	{".screenrc", "screen runs what it names", false},

	{".vscode", "editors run what it names", false},
	{"*.code-workspace", "editors run what it names", false},
	{".idea", "editors run what it names", false},
	{".fleet", "editors run what it names", false},
	{".zed", "editors run what it names", false},
	{".devcontainer", "editors run what it names", false},
	{".devcontainer.json", "editors run what it names", false},
	{".vimrc", "editors run it", false},
	{".exrc", "editors run it", false},
	{".nvimrc", "editors run it", false},
	{".nvim.lua", "editors run it", false},
	{".emacs", "editors run it", false},
	{".emacs.d", "editors run it", false},
	{".dir-locals.el", "editors run it", false},

	{".claude", "agents obey it", false},
	{".claude.json", "agents obey it", false},
	{".cursor", "agents obey it", false},
	{".cursorrules", "agents obey it", false},
	{".windsurf", "agents obey it", false},
	{".windsurfrules", "agents obey it", false},
	{".codex", "agents obey it", false},
	{".gemini", "agents obey it", false},
	{".continue", "agents obey it", false},
	{".clinerules", "agents obey it", false},
	{".roo", "agents obey it", false},
	{".kiro", "agents obey it", false},
	{".opencode", "agents obey it", false},
	{".aider.conf.yml", "agents obey it", false},
	{".mcp.json", "agents run what it names", false},
}

// ByPolicy is how the reason ends for what the policy itself protects.
const ByPolicy = "the policy says so"

// Guard knows which paths inside writable folders are protected: the default
// set and what Filesystem.Protect adds to it.
type Guard struct {
	byName   map[string][]row // by the last name of the pattern
	wild     []row            // whose last name is a pattern itself
	absolute []string
	exempt   []string
}

// row is a protection with its pattern taken apart.
type row struct {
	protection
	names []string
}

// NewGuard returns the guard of a resolved policy. A protected path that is
// itself granted for writing, by its full name, is not protected: who names it
// means it. So are the paths of allow.
func NewGuard(f Filesystem, allow ...string) Guard {
	g := Guard{byName: map[string][]row{}}
	for _, p := range protections {
		g.add(p)
	}
	for _, s := range f.Protect {
		switch {
		case isResolved(s):
			g.absolute = append(g.absolute, s)
		case isPattern(s): // what is left of the words in paths has no place yet
			g.add(protection{pattern: s, why: ByPolicy})
		}
	}
	g.exempt = append(slices.Clone(f.Write), allow...)
	return g
}

func (g *Guard) add(p protection) {
	names := strings.Split(p.pattern, "/")
	for i, n := range names {
		names[i] = plainName(n)
	}
	if last := names[len(names)-1]; !strings.ContainsAny(last, `*?[\`) {
		g.byName[last] = append(g.byName[last], row{p, names})
		return
	}
	g.wild = append(g.wild, row{p, names})
}

// Protected says why a path inside a writable folder is protected; empty: it
// is not. Folder is the writable folder, absolute and clean; rel is the path in
// it; dir tells whether it is a folder. What lies beneath a protected path is
// protected too.
func (g Guard) Protected(folder, rel string, dir bool) string {
	names := strings.Split(strings.Trim(path.Join(folder, rel), "/"), "/")
	first := max(0, len(names)-len(strings.Split(rel, "/"))) // only what is named by rel counts
	plain := make([]string, len(names))
	for i, n := range names {
		plain[i] = plainName(n)
	}
	for end := first + 1; end <= len(names); end++ {
		at := "/" + strings.Join(names[:end], "/")
		why := g.endsAt(plain[:end], at, dir || end < len(names))
		if why != "" && !g.isExempt(at, path.Join(folder, rel)) {
			return why
		}
	}
	return ""
}

// Named says whether a path of the host, or a folder that holds it, was named
// as meant in spite of any protection.
func (g Guard) Named(s string) bool { return anyCovers(g.exempt, s) }

// endsAt says why the last of some names is protected by itself.
func (g Guard) endsAt(names []string, at string, dir bool) string {
	if slices.Contains(g.absolute, at) {
		return ByPolicy
	}
	for _, rows := range [][]row{g.byName[names[len(names)-1]], g.wild} {
		for _, r := range rows {
			if !(r.special && dir) && endsWith(names, r.names) {
				return r.pattern + ": " + r.why
			}
		}
	}
	return ""
}

// isExempt says whether somebody named a path that is protected at a place, or
// something between the two.
func (g Guard) isExempt(protected, s string) bool {
	return slices.ContainsFunc(g.exempt, func(e string) bool { return covers(protected, e) && covers(e, s) })
}

// endsWith says whether names end with what a pattern describes.
func endsWith(names, pattern []string) bool {
	if len(pattern) == 0 {
		return true
	}
	last := len(pattern) - 1
	if pattern[last] == "**" {
		for n := len(names); n >= 0; n-- {
			if endsWith(names[:n], pattern[:last]) {
				return true
			}
		}
		return false
	}
	if len(names) == 0 {
		return false
	}
	ok, err := path.Match(pattern[last], names[len(names)-1])
	return ok && err == nil && endsWith(names[:len(names)-1], pattern[:last])
}

// plainName is a name as the most careless file system sees it: without case,
// without letters that HFS+ ignores, without what NTFS cuts off its end. git's
// own checks do the same (is_hfs_dotgit, is_ntfs_dotgit).
func plainName(s string) string {
	s, _, _ = strings.Cut(s, ":") // NTFS: name:stream
	s = strings.Map(func(r rune) rune {
		if ignorable(r) {
			return -1
		}
		return unicode.ToLower(unicode.ToUpper(r))
	}, s)
	if t := strings.TrimRight(s, " ."); t != "" && t != s && strings.TrimLeft(t, ".") != "" {
		s = t
	}
	if s == "git~1" { // NTFS: the short name of .git
		return ".git"
	}
	return s
}

// ignorable are the letters that HFS+ leaves out when it compares names.
func ignorable(r rune) bool {
	switch {
	case r >= 0x200c && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x206a && r <= 0x206f, r == 0xfeff:
		return true
	}
	return false
}

// protectPattern is the form of an entry of filesystem.protect, for the schema.
const protectPattern = `^(/|~(/|$)|\$WORKSPACE(/|$)|[^/$~\x00-\x1f\x7f-\x9f])[^$\x00-\x1f\x7f-\x9f]*$`

// checkProtect refuses entries of filesystem.protect that mean nothing.
func checkProtect(s string) *flaw {
	if strings.HasPrefix(s, "/") || strings.HasPrefix(s, "~") || strings.HasPrefix(s, "$") {
		return checkPath(s, s)
	}
	if bad := checkText(s, s); bad != nil {
		return bad
	}
	for name := range strings.SplitSeq(s, "/") {
		if bad := checkProtectName(s, name); bad != nil {
			return bad
		}
	}
	if strings.Trim(s, "*/") == "" {
		return &flaw{quote(s) + " protects everything", "grant the folder for reading instead"}
	}
	return nil
}

func checkProtectName(s, name string) *flaw {
	_, err := path.Match(name, "")
	switch {
	case name == "" || name == "." || name == "..":
		return &flaw{quote(s) + fmt.Sprintf(" has the name %q in it", name), "write names with one / between them, such as .git/hooks"}
	case strings.Contains(name, "$"):
		return &flaw{quote(s) + " has a $ that nothing expands", "only a leading $WORKSPACE is expanded"}
	case name != "**" && strings.Contains(name, "**"), err != nil:
		return &flaw{quote(s) + " is not a pattern", "use * within a name, and ** alone for any number of names"}
	}
	return nil
}

// isPattern says whether an entry of filesystem.protect holds at any depth.
func isPattern(s string) bool {
	return !strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "~") && !strings.HasPrefix(s, "$")
}
