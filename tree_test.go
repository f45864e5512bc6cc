package bulkhead_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// module is the path of this module, as go.mod has it.
const module = "github.com/bulkhead-dev/bulkhead"

// pkg is a package of this module as it lies on the disk, for every platform.
type pkg struct {
	dir   string               // relative to the module, slash-separated; "." is the root
	name  string               // its package clause
	files map[string]*ast.File // without tests and generated files, by path
	all   map[string]*ast.File // without tests
}

// tree parses every Go file of the module once.
var tree = sync.OnceValues(parseTree)

func parseTree() ([]pkg, error) {
	byDir := map[string]*pkg{}
	fset := token.NewFileSet()
	err := eachFile(func(name string) error {
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		if byDir[dir] == nil {
			byDir[dir] = &pkg{dir: dir, name: f.Name.Name, files: map[string]*ast.File{}, all: map[string]*ast.File{}}
		}
		byDir[dir].all[name] = f
		if !ast.IsGenerated(f) {
			byDir[dir].files[name] = f
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []pkg
	for _, p := range byDir {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b pkg) int { return strings.Compare(a.dir, b.dir) })
	return out, nil
}

// eachFile calls fn with the slash-separated path of every regular file that
// belongs to the project.
func eachFile(fn func(name string) error) error {
	return filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "bin", "dist", "node_modules", "testdata", "__pycache__"}, d.Name()):
			return filepath.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		return fn(filepath.ToSlash(name))
	})
}

// packages returns the module's packages or ends the test.
func packages(t *testing.T) []pkg {
	t.Helper()
	ps, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	if len(ps) == 0 {
		t.Fatal("no package found")
	}
	return ps
}
