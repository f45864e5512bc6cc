package bulkhead_test

import (
	"go/parser"
	"go/token"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	requireLine = regexp.MustCompile(`(?m)^(?:require)?\s+(\S+\.\S+/?\S*) v\S+`)
	toolLine    = regexp.MustCompile(`(?m)^(?:tool)?\s+(\S+\.\S+/\S+)$`)
	docRow      = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+) \\| ([^|]+) \\|")
)

func TestDependencies_haveARowEach(t *testing.T) {
	rows := documented(t)
	direct := directModules(t)
	for _, m := range direct {
		if !rows[m] {
			t.Errorf("docs/dependencies.md has no row for %s: what for, licence, what else was weighed", m)
		}
	}
	for m := range rows {
		if !slices.Contains(direct, m) {
			t.Errorf("docs/dependencies.md has a row for %s, which nothing here imports", m)
		}
	}
}

// documented returns the modules that the page has a row for.
func documented(t *testing.T) map[string]bool {
	t.Helper()
	page, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, m := range docRow.FindAllStringSubmatch(string(page), -1) {
		rows[m[1]] = true
		if strings.TrimSpace(m[2]) == "" || strings.TrimSpace(m[3]) == "" {
			t.Errorf("docs/dependencies.md: the row of %s lacks its purpose or its licence", m[1])
		}
	}
	return rows
}

// directModules returns the modules that a Go file of the tree, a test or the
// list of tools names.
func directModules(t *testing.T) []string {
	t.Helper()
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	var required []string
	for _, m := range requireLine.FindAllStringSubmatch(string(mod), -1) {
		required = append(required, m[1])
	}
	used := map[string]bool{}
	for _, m := range toolLine.FindAllStringSubmatch(string(mod), -1) {
		used[moduleOf(required, m[1])] = true
	}
	for name := range importedAnywhere(t) {
		if strings.Contains(firstElement(name), ".") && !strings.HasPrefix(name, module) {
			used[moduleOf(required, name)] = true
		}
	}
	delete(used, "")
	var out []string
	for m := range used {
		out = append(out, m)
	}
	slices.Sort(out)
	return out
}

// moduleOf returns the required module that holds a package; the longest wins.
func moduleOf(required []string, name string) string {
	best := ""
	for _, m := range required {
		if len(m) > len(best) && (name == m || strings.HasPrefix(name, m+"/")) {
			best = m
		}
	}
	return best
}

// importedAnywhere returns every import path of the tree, tests included.
func importedAnywhere(t *testing.T) map[string]bool {
	t.Helper()
	paths := map[string]bool{}
	err := eachFile(func(name string) error {
		if path.Ext(name) != ".go" {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			if p, err := strconv.Unquote(spec.Path.Value); err == nil {
				paths[p] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}
