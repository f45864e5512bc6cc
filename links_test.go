package bulkhead_test

import (
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

var mdLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinks_leadSomewhere(t *testing.T) {
	for name, data := range textFiles(t) {
		if path.Ext(name) != ".md" {
			continue
		}
		for _, m := range mdLink.FindAllStringSubmatch(string(data), -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(path.Join(path.Dir(name), target)); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", name, target)
			}
		}
	}
}

var makeTarget = regexp.MustCompile("`make ([a-z-]+)`|(?m)^    make ([a-z-]+)")

func TestMakeTargets_thatPagesNameExist(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range textFiles(t) {
		if path.Ext(name) != ".md" {
			continue
		}
		for _, m := range makeTarget.FindAllStringSubmatch(string(data), -1) {
			if target := m[1] + m[2]; !strings.Contains(string(makefile), "\n"+target+":") {
				t.Errorf("%s: names `make %s`, which the Makefile does not have", name, target)
			}
		}
	}
}
