package policy

import (
	"strings"
	"testing"
)

// guarded are paths in a writable folder /p, and whether they are protected.
var guarded = []struct {
	name string
	rel  string
	dir  bool
	want bool
}{
	{"an ordinary file", "src/main.go", false, false},
	{"git's hooks", ".git/hooks", true, true},
	{"a file beneath", ".git/hooks/pre-commit", false, true},
	{"at any depth", "vendor/x/.git/hooks/pre-commit", false, true},
	{"git's configuration", ".git/config", false, true},
	{"of a module", ".git/modules/a/b/config", false, true},
	{"hooks of a module", ".git/modules/a/hooks/post-merge", false, true},
	{"of a worktree", ".git/worktrees/w/config.worktree", false, true},
	{"the rest of git's folder", ".git/HEAD", false, false},
	{"a branch of that name", ".git/refs/heads/config", false, false},
	{"git's folder itself", ".git", true, false},
	{"a file in the place of git's folder", ".git", false, true},
	{"hooks elsewhere", "hooks/pre-commit", false, false},
	{"a name that only begins so", ".bashrc2", false, false},
	{"a name that only ends so", "x.bashrc", false, false},
	{"upper case", ".GIT/Hooks/x", false, true},
	{"a letter that HFS+ ignores", ".g\u200cit/hooks/x", false, true},
	{"a Kelvin sign", ".to\u212aen", false, false},
	{"upper case of an editor", ".VSCODE/tasks.json", false, true},
	{"a stop that NTFS cuts off", ".git./hooks /x", false, true},
	{"a short name of NTFS", "GIT~1/config", false, true},
	{"a stream of NTFS", ".git/config::$DATA", false, true},
	{"a file by its ending", "x/team.code-workspace", false, true},
	{"an editor's folder", "sub/.vscode/tasks.json", false, true},
	{"an agent's folder", ".claude/settings.json", false, true},
	{"two names in a row", "home/.config/fish/config.fish", false, true},
	{"the first of two names alone", "home/.config/other", false, false},
}

func TestGuard_protectsTheDefaultSet(t *testing.T) {
	g := NewGuard(Filesystem{Write: []string{"/p"}})
	for _, tt := range guarded {
		t.Run(tt.name, func(t *testing.T) {
			why := g.Protected("/p", tt.rel, tt.dir)
			if (why != "") != tt.want {
				t.Errorf("Protected(%q) = %q, want protected: %v", tt.rel, why, tt.want)
			}
		})
	}
}

func TestGuard_countsOnlyWhatIsInTheFolder(t *testing.T) {
	g := NewGuard(Filesystem{})
	for folder, want := range map[string]bool{
		"/home/me/.vscode/extension": false, // the folder was named; what is above it is no matter
		"/p/.git":                    true,  // the folder and the name together
	} {
		if got := g.Protected(folder, "hooks", true) != ""; got != want {
			t.Errorf("hooks in %s: protected %v, want %v", folder, got, want)
		}
	}
}

func TestGuard_letsGoWhatIsNamed(t *testing.T) {
	g := NewGuard(Filesystem{Write: []string{"/p", "/p/.git/hooks/pre-commit", "/p/.vscode"}}, "/p/.envrc")
	for rel, want := range map[string]bool{
		".git/hooks/pre-commit":  false,
		".git/hooks/post-commit": true,
		".git/hooks":             true,
		".git/config":            true,
		".vscode":                false,
		".vscode/tasks.json":     false,
		"sub/.vscode/tasks.json": true,
		".envrc":                 false,
	} {
		if got := g.Protected("/p", rel, false) != ""; got != want {
			t.Errorf("%s: protected %v, want %v", rel, got, want)
		}
	}
}

func TestGuard_addsWhatThePolicySays(t *testing.T) {
	g := NewGuard(Filesystem{Protect: []string{"/p/deploy", "Makefile", "*.PEM", "conf/**/local", "$WORKSPACE/kept"}})
	for rel, want := range map[string]bool{
		"deploy/x":          true,
		"sub/deploy/x":      false,
		"sub/makefile":      true,
		"keys/a.pem":        true,
		"conf/local":        true,
		"conf/a/b/local/f":  true,
		"conf/a/b/remote/f": false,
		"kept":              false, // nobody knows yet where it is
		".git/config":       true,
	} {
		if got := g.Protected("/p", rel, false) != ""; got != want {
			t.Errorf("%s: protected %v, want %v", rel, got, want)
		}
	}
}

func TestGuard_tellsWhy(t *testing.T) {
	g := NewGuard(Filesystem{})
	if why := g.Protected("/p", ".git/hooks/x", false); why != ".git/hooks: git runs them" {
		t.Errorf("why = %q", why)
	}
}

func TestValidate_checksProtectedPaths(t *testing.T) {
	for s, want := range map[string]bool{
		"Makefile": true, "a/b": true, "*.pem": true, "a/**/b": true, "/x/y": true, "~/x": true, "$WORKSPACE/x": true,
		"": false, "a//b": false, "./a": false, "a/../b": false, "**": false, "*": false, "a**": false, "[": false,
		"$HOME/x": false, "~other/x": false, "a\nb": false, "/proc/x": false, strings.Repeat("a", 5000): false,
	} {
		err := Policy{Filesystem: Filesystem{Protect: []string{s}}}.Validate()
		if (err == nil) != want {
			t.Errorf("%.20q: %v, want valid: %v", s, err, want)
		}
	}
}

func TestResolve_placesProtectedPathsAndKeepsNames(t *testing.T) {
	p := Policy{Filesystem: Filesystem{Protect: []string{"~/x/", "$WORKSPACE/y", "Makefile", "/z"}}}
	got, err := Resolve(p, Placement{Home: "/home/me", Workspace: "/w"})
	if err != nil {
		t.Fatal(err)
	}
	if want := "/home/me/x /w/y Makefile /z"; strings.Join(got.Filesystem.Protect, " ") != want {
		t.Errorf("protect = %q, want %q", got.Filesystem.Protect, want)
	}
}

func FuzzGuard_neverPanics(f *testing.F) {
	f.Add("conf/**/x", "/p", "a/b", true)
	f.Add("*", "/", ".git:./hooks", false)
	f.Fuzz(func(t *testing.T, pattern, folder, rel string, dir bool) {
		g := NewGuard(Filesystem{Protect: []string{pattern}})
		_ = g.Protected(folder, rel, dir)
	})
}
