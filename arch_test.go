package bulkhead_test

import (
	"path"
	"strconv"
	"strings"
	"testing"
)

// rule says what the packages of a folder may import from this module and
// from others. The standard library is always allowed. A pattern is a package
// path, or a path and "/..." for it and everything beneath it. The first rule
// whose folder matches a package is the only one that counts.
type rule struct {
	folder  string
	imports string // separated by spaces
}

// The groups of the table.
const (
	nouns = "event policy bundle internal/fault "
	yaml  = "go.yaml.in/yaml/v3 "
	sys   = "golang.org/x/sys/unix "
	wire  = "connectrpc.com/connect google.golang.org/protobuf/... "
)

// rules is which way imports point: upward rows know more, lower rows know
// less, and siblings never see each other. Only daemon knows everyone.
var rules = []rule{
	// Entry points and what proves the whole.
	{"cmd/...", "cmd/bulkhead/internal/... api/... internal/daemon/... internal/service/... internal/server/... internal/sandbox/... internal/jail/... internal/grant internal/kernel/... test/attack " + nouns + "bundle/... github.com/spf13/cobra github.com/spf13/pflag golang.org/x/term golang.org/x/sync/... " + sys + wire},
	{"bench/...", "api/... internal/... " + nouns + sys},
	{"test/...", "internal/... test/... " + nouns + sys},
	{"internal/tools/...", "policy internal/... github.com/bufbuild/protocompile/... google.golang.org/protobuf/..."},

	// The composition root, the faces, the actions.
	{"internal/daemon/...", "api/... internal/... " + nouns + "bundle/... golang.org/x/sync/... " + sys + wire},
	{"internal/server/...", "api/... internal/server/... internal/service/... internal/engine internal/engine/decide internal/sandbox internal/store internal/grant " + nouns + sys + wire},
	{"internal/service/...", sys + "internal/service/... internal/engine internal/engine/decide internal/sandbox internal/grant internal/store " + nouns + "bundle/..."},
	{"internal/grant", nouns},

	// Durable execution knows neither where it is kept nor how it is run.
	{"internal/engine/...", "internal/engine/... golang.org/x/sync/... " + nouns},
	{"internal/runner/...", "internal/runner/... internal/engine internal/sandbox internal/grant golang.org/x/sync/... " + sys + nouns},

	// Stores: the portable part knows no driver, a driver knows no other.
	{"internal/store/all", "internal/store internal/store/... " + nouns},
	{"internal/store/pebble/...", "internal/store internal/store/storeutil internal/store/record github.com/cockroachdb/pebble/v2/... " + sys + nouns},
	{"internal/store/mem/...", "internal/store internal/store/storeutil internal/store/record " + nouns},
	{"internal/store/storetest", "internal/store internal/store/... github.com/google/go-cmp/cmp " + nouns},
	{"internal/store/...", "internal/store internal/store/... " + nouns},

	// Sandboxes: the portable part knows no layer, a layer knows no other.
	{"internal/sandbox/native/...", "internal/sandbox internal/sandbox/native/... internal/jail/... internal/spawn/... internal/trace internal/uidlease internal/kernel/... " + sys + nouns},
	{"internal/sandbox/...", "internal/sandbox internal/sandbox/sandboxtest golang.org/x/sync/... " + nouns},
	{"internal/jail/...", "internal/jail internal/jail/... internal/spawn internal/kernel/... internal/fault event policy " + sys},
	{"internal/trace/...", "internal/kernel/notify internal/kernel/seccomp event internal/fault " + sys},
	{"internal/uidlease", "internal/fault " + sys},
	{"internal/spawn/...", "internal/spawn internal/spawn/... internal/kernel/... internal/fault " + sys},
	{"internal/kernel/...", "internal/kernel/... internal/fault " + sys},

	// Nouns: the standard library, faults, each other, one YAML parser.
	{"bundle/all", "bundle bundle/mirrorneuron"},
	{"bundle/mirrorneuron", nouns + "bundle/internal/... "},
	{"bundle/internal/...", "event internal/fault"},
	{"bundle/...", nouns + "bundle/internal/... " + yaml},
	{"policy/internal/...", "policy"},
	{"policy/...", "policy event internal/fault " + yaml},
	{"event/...", "internal/fault"},
	{"api/...", "api/... " + wire},
	{"internal/fault/...", ""},
	{".", ""},
}

func TestImports_pointOneWay(t *testing.T) {
	for _, p := range packages(t) {
		r, ok := ruleOf(p.dir)
		if !ok {
			t.Errorf("%s: no row in the import table; add one that says what it may know", p.dir)
			continue
		}
		for _, imported := range p.imports() {
			if !r.allows(imported) {
				t.Errorf("%s imports %s; the row %q of the import table does not allow it", p.dir, imported, r.folder)
			}
		}
	}
}

func TestRules_haveAPackageEach(t *testing.T) {
	used := map[string]bool{}
	for _, p := range packages(t) {
		if r, ok := ruleOf(p.dir); ok {
			used[r.folder] = true
		}
	}
	for _, r := range rules {
		if !used[r.folder] {
			t.Errorf("the row %q of the import table governs no package", r.folder)
		}
	}
}

func TestRule_allows(t *testing.T) {
	r := rule{"internal/x", "event internal/y/... example.org/z"}
	for imported, want := range map[string]bool{
		module + "/event":         true,
		module + "/event/sub":     false,
		module + "/internal/y":    true,
		module + "/internal/y/z":  true,
		module + "/internal/yes":  false,
		module + "/policy":        false,
		"example.org/z":           true,
		"example.org/z/deep":      false,
		"golang.org/x/unexpected": false,
	} {
		if got := r.allows(imported); got != want {
			t.Errorf("allows(%q) = %v, want %v", imported, got, want)
		}
	}
}

// ruleOf returns the first row whose folder holds dir.
func ruleOf(dir string) (rule, bool) {
	for _, r := range rules {
		if matches(r.folder, dir) {
			return r, true
		}
	}
	return rule{}, false
}

// allows reports whether the row has the imported path.
func (r rule) allows(imported string) bool {
	short := strings.TrimPrefix(imported, module+"/")
	for _, pattern := range strings.Fields(r.imports) {
		if matches(pattern, short) {
			return true
		}
	}
	return false
}

// matches reports whether a pattern of the table covers a path.
func matches(pattern, name string) bool {
	prefix, deep := strings.CutSuffix(pattern, "/...")
	return name == prefix || deep && strings.HasPrefix(name, prefix+"/")
}

// imports lists what a package imports from outside the standard library.
func (p pkg) imports() []string {
	seen := map[string]bool{}
	var out []string
	for _, f := range p.all {
		for _, spec := range f.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil || seen[name] || !strings.Contains(firstElement(name), ".") {
				continue
			}
			seen[name] = true
			out = append(out, name)
		}
	}
	return out
}

// firstElement is the part of an import path before the first slash. Only
// paths outside the standard library have a dot in it.
func firstElement(name string) string {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(name) {
		name = dir
	}
	return name
}
