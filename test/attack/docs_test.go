//go:build linux

package attack

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the rows into docs/attacks.md")

const (
	page      = "../../docs/attacks.md"
	pageBegin = "<!-- rows: written by the suite with -update -->\n"
	pageEnd   = "<!-- end of rows -->\n"
)

func TestDocs_haveEveryRow(t *testing.T) {
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(b), pageBegin)
	_, after, ok2 := strings.Cut(rest, pageEnd)
	if !ok || !ok2 {
		t.Fatal("the page has no place for the rows")
	}
	want := before + pageBegin + table() + pageEnd + after
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(b)); diff != "" {
		t.Errorf("the page is not what the rows say (run with -update):\n%s", diff)
	}
}

// table is all rows as people read them, by id.
func table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| id | attack | it works when | walls, each enough alone |\n|---|---|---|---|\n")
	for _, r := range sorted() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.id, r.attack, r.success, r.stopped())
	}
	return b.String()
}

// stopped says what stops a row, and who can try it.
func (r row) stopped() string {
	var parts []string
	if len(r.walls) > 0 {
		parts = append(parts, strings.Join(r.walls, ", "))
	}
	for _, more := range []struct {
		who   string
		walls []string
	}{{"root", r.root}, {"user", r.user}} {
		switch {
		case len(more.walls) == 0:
		case r.only == more.who:
			parts = append(parts, strings.Join(more.walls, ", "))
		default:
			parts = append(parts, "as "+more.who+" also "+strings.Join(more.walls, ", "))
		}
	}
	if r.bare {
		parts = append(parts, "*compared with no sandbox*")
	}
	text := strings.Join(parts, "; ")
	if r.only != "" {
		text += "; only as " + r.only
	}
	if r.by != "" {
		text += "; only by the launcher " + r.by
	}
	if r.why != "" {
		text += " (" + r.why + ")"
	}
	return text
}
