package policy

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// page is the reference page.
func page(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestPage_hasARowForEachKey(t *testing.T) {
	text := page(t)
	var walk func(prefix string, keys []key)
	walk = func(prefix string, keys []key) {
		for _, k := range keys {
			name := prefix + k.name
			if len(k.keys) == 0 || k.name == "network" || k.name == "limits" {
				if !strings.Contains(text, "\n| `"+name+"` | ") {
					t.Errorf("docs/policy.md has no row for %s", name)
				}
			}
			next := name + "."
			if k.name == "limits" {
				next = "" // they have a table of their own
			}
			walk(next, k.keys)
		}
	}
	walk("", root)
}

func TestPage_knowsTheLimits(t *testing.T) {
	text := page(t)
	for _, row := range limits {
		flag := ""
		if row.flag != "" {
			flag = "`" + row.flag + "` "
		}
		want := fmt.Sprintf(" | %s | %s | %s | %s|\n", row.fallback, row.least, row.most, flag)
		_, rest, _ := strings.Cut(text, "\n| `"+row.name+"` | ")
		line, _, _ := strings.Cut(rest, "\n")
		if !strings.HasSuffix(line+"\n", want) {
			t.Errorf("the row of %s is %q, want it to end with %q", row.name, line, want)
		}
	}
}

func TestPage_namesWhatMayNotBePassed(t *testing.T) {
	text := page(t)
	for _, u := range unpassable {
		name := "`" + u.name + "`"
		if u.prefix {
			name = "`" + u.name + "*`"
		}
		if !strings.Contains(text, name) {
			t.Errorf("docs/policy.md does not name %s", name)
		}
	}
}

func TestPage_showsPoliciesThatParse(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(page(t), -1)
	if len(blocks) == 0 {
		t.Fatal("docs/policy.md shows no policy")
	}
	for _, b := range blocks {
		if _, err := Parse("docs/policy.md", []byte(b[1])); err != nil {
			t.Errorf("%v in\n%s", err, b[1])
		}
	}
}
