package bulkhead_test

import (
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// need finds the capabilities that tests name in so many words.
var need = regexp.MustCompile(`\bNeed\(\w+, "([^"]+)"[,+ ]`)

func TestCapabilities_thatTestsNeedAreProbed(t *testing.T) {
	out, err := exec.Command("scripts/capabilities", "--all").Output()
	if err != nil {
		t.Fatal(err)
	}
	probed := strings.Split(strings.TrimSpace(string(out)), "\n")
	err = eachFile(func(name string) error {
		if path.Ext(name) != ".go" {
			return nil
		}
		data, err := os.ReadFile(name)
		for _, m := range need.FindAllSubmatch(data, -1) {
			has := func(p string) bool {
				return p == string(m[1]) || strings.HasSuffix(string(m[1]), " ") && strings.HasPrefix(p, string(m[1]))
			}
			if !slices.ContainsFunc(probed, has) {
				t.Errorf("%s needs %q, for which scripts/capabilities has no row: it could be skipped for ever", name, m[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
