package policy_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/policy"
)

func TestRoots_linksLeadNoFurtherThanTheGrants(t *testing.T) {
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(base, name) }
	for _, dir := range []string{"data/sub", "secret", "elsewhere"} {
		if err := os.MkdirAll(at(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"data/out": "secret", "data/in": "data/sub", "link": "elsewhere", "data/also": "elsewhere"} {
		if err := os.Symlink(at(target), at(name)); err != nil {
			t.Fatal(err)
		}
	}

	granted := policy.Policy{}.With(policy.Writable(at("data")), policy.ReadOnly(at("link"), at("later/x")))
	roots := policy.RootsOf(granted)
	rows := []struct {
		name  string
		asked policy.Policy
		ok    bool
	}{
		{"the grant itself", policy.Policy{}.With(policy.Writable(at("data"))), true},
		{"beneath it", policy.Policy{}.With(policy.ReadOnly(at("data/sub"))), true},
		{"a link within", policy.Policy{}.With(policy.Writable(at("data/in"))), true},
		{"a link out of it", policy.Policy{}.With(policy.ReadOnly(at("data/out"))), false},
		{"a link that the operator granted", policy.Policy{}.With(policy.ReadOnly(at("link"))), true},
		{"a link to another grant", policy.Policy{}.With(policy.ReadOnly(at("data/also"))), true},
		{"a link to a grant for reading", policy.Policy{}.With(policy.Writable(at("data/also"))), false},
		{"what is not there", policy.Policy{}.With(policy.ReadOnly(at("data/nothing"))), true},
		{"the work folder", policy.Policy{}.With(policy.Writable("$WORKSPACE/out")), true},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			err := roots.Check(row.asked)
			if row.ok && err != nil || !row.ok && fault.KindOf(err) != fault.Denied {
				t.Errorf("Check = %v, want ok %t", err, row.ok)
			}
		})
	}
	if err := os.Mkdir(at("later"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(at("secret"), at("later/x")); err != nil {
		t.Fatal(err)
	}
	if roots.Holds(at("secret"), false) {
		t.Error("a link that came after the grant moved the grant")
	}
}
