package native_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// One step may write to a folder and leaves a link there; the next one asks
// for the path of the link, whose name lies within the grant.
func TestRun_plantedLinkMovesNoGrant(t *testing.T) {
	each(t, func(t *testing.T, m *sandbox.Manager) {
		base, err := filepath.EvalSymlinks(t.TempDir())
		must(t, err)
		data, secret := filepath.Join(base, "data"), filepath.Join(base, "secret")
		must(t, os.Mkdir(data, 0o700))
		must(t, os.Mkdir(secret, 0o700))
		must(t, os.WriteFile(filepath.Join(secret, "key"), []byte("hidden\n"), 0o600))
		roots := policy.RootsOf(policy.Policy{}.With(policy.Writable(data)))

		plant := sh("ln -s " + secret + " " + data + "/x")
		plant.Policy, plant.Within = policy.Policy{}.With(policy.Writable(data)), &roots
		if res := run(t, m, plant, sandbox.IO{}); res.ExitCode != 0 {
			t.Fatalf("plant: exit %d, %s", res.ExitCode, res.Stderr)
		}
		for _, option := range []policy.Option{policy.ReadOnly(data + "/x"), policy.Writable(data + "/x"), policy.ReadOnly(data + "/x/key")} {
			harvest := sh("cat " + data + "/x/key")
			harvest.Policy, harvest.Within = policy.Policy{}.With(option), &roots
			res, err := m.Run(t.Context(), harvest, sandbox.IO{})
			if fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), "not granted") {
				t.Errorf("%+v: %v, want it denied; read %q", harvest.Policy.Filesystem, err, res.Stdout)
			}
		}

		none := sh("true")
		none.Policy, none.Within = policy.Policy{}.With(policy.ReadOnly(data)), new(policy.Roots)
		if _, err := m.Run(t.Context(), none, sandbox.IO{}); fault.KindOf(err) != fault.Denied {
			t.Errorf("without roots: %v, want it denied", err)
		}
	})
}
