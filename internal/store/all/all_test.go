package all_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/store/all"
)

func TestOpen_opensEveryDriver(t *testing.T) {
	for _, name := range append(all.Names(), "") {
		t.Run(name, func(t *testing.T) {
			s, err := all.Open(name, t.TempDir(), nil)
			if err != nil {
				t.Fatal(err)
			}
			info, err := s.Info(t.Context())
			if err != nil || (name != "" && info.Driver != name) {
				t.Errorf("Info = %+v, %v", info, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOpen_namesTheNearestDriver(t *testing.T) {
	_, err := all.Open("peble", t.TempDir(), nil)
	if fault.KindOf(err) != fault.Invalid || fault.HintOf(err) != "did you mean pebble?" {
		t.Errorf("error = %v, hint = %q", err, fault.HintOf(err))
	}
}

func TestOpen_returnsNoHalfDriver(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := all.Open("pebble", file, nil); err == nil || s != nil {
		t.Errorf("Open = %v, %v", s, err)
	}
}

// TestDrivers_conformAndAreDescribed fails when a driver comes without a call
// of the suite or without its paragraph in the page.
func TestDrivers_conformAndAreDescribed(t *testing.T) {
	page, err := os.ReadFile("../../../docs/store.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all.Names() {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/store.md does not describe `%s`", name)
		}
		tests, err := filepath.Glob("../" + name + "/*_test.go")
		if err != nil || !anyContains(t, tests, "storetest.Run(") {
			t.Errorf("no test of %s calls storetest.Run", name)
		}
	}
}

func anyContains(t *testing.T, files []string, text string) bool {
	t.Helper()
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), text) {
			return true
		}
	}
	return false
}
