package daemon

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const repository = "../.."

// spans are the pieces of code in a page.
var spans = regexp.MustCompile("`([^`\n]+)`")

// name is a function with its package, and a method with its type too.
var name = regexp.MustCompile(`^[a-z]+(\.[A-Za-z]+){1,2}$`)

// notFunctions are names of that form that mean something else.
var notFunctions = map[string]bool{
	"event.Outcome": true, // a noun
	"job.completed": true, // an event
}

func TestLifecycle_namesFunctionsThatExist(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(repository, "docs/lifecycle.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := functions(t)

	named := 0
	for _, m := range spans.FindAllStringSubmatch(string(page), -1) {
		span := m[1]
		if !name.MatchString(span) || notFunctions[span] {
			continue
		}
		named++
		if !known[span] {
			t.Errorf("lifecycle.md names %s, which is not in the code", span)
		}
	}
	if named < 40 {
		t.Errorf("only %d names found; has the page another form now?", named)
	}
}

// functions lists every function and method of the repository.
func functions(t *testing.T) map[string]bool {
	t.Helper()
	known := make(map[string]bool)
	err := filepath.WalkDir(repository, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != repository && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		return addFunctions(known, path)
	})
	if err != nil {
		t.Fatal(err)
	}
	return known
}

func addFunctions(known map[string]bool, path string) error {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		full := file.Name.Name + "."
		if f.Recv != nil {
			full += receiver(f.Recv.List[0].Type) + "."
		}
		known[full+f.Name.Name] = true
	}
	return nil
}

// receiver is the name of a method's type.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
