package bulkhead_test

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

func TestPackages_haveAComment(t *testing.T) {
	for _, p := range packages(t) {
		if !p.hasComment() {
			t.Errorf("%s: package %s has no package comment that says what it is for", p.dir, p.name)
		}
	}
}

func TestExportedNames_haveAComment(t *testing.T) {
	for _, p := range packages(t) {
		for file, f := range p.files {
			for _, name := range undocumented(f) {
				t.Errorf("%s: %s has no doc comment", file, name)
			}
		}
	}
}

// hasComment reports whether a file of the package says what it is for. A
// package that is generated as a whole is explained by its generator.
func (p pkg) hasComment() bool {
	for _, f := range p.files {
		if text := f.Doc.Text(); strings.HasPrefix(text, "Package ") || strings.HasPrefix(text, "Command ") {
			return true
		}
	}
	return len(p.files) == 0
}

// undocumented lists the exported names of a file that lack a doc comment. The
// comment of a group of constants or variables counts for all of them.
func undocumented(f *ast.File) []string {
	var names []string
	for _, decl := range f.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d) {
				names = append(names, d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				names = append(names, undocumentedIn(spec, d.Doc != nil && (d.Tok != token.TYPE || len(d.Specs) == 1))...)
			}
		}
	}
	return names
}

// undocumentedIn lists the exported names of one spec that lack a comment.
func undocumentedIn(spec ast.Spec, group bool) []string {
	var names []string
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if !group && s.Doc == nil && s.Comment == nil && s.Name.IsExported() {
			names = append(names, s.Name.Name)
		}
	case *ast.ValueSpec:
		for _, n := range s.Names {
			if !group && s.Doc == nil && s.Comment == nil && n.IsExported() {
				names = append(names, n.Name)
			}
		}
	}
	return names
}

// exportedReceiver reports whether a function has no receiver, or one that can
// be seen from outside.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	x := d.Recv.List[0].Type
	for {
		switch v := x.(type) {
		case *ast.StarExpr:
			x = v.X
		case *ast.IndexExpr:
			x = v.X
		case *ast.IndexListExpr:
			x = v.X
		case *ast.Ident:
			return v.IsExported()
		default:
			return false
		}
	}
}
