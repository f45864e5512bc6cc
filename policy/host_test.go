package policy

import (
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// host is a host with all its forbidden places.
var host = HostPaths{
	State:     "/home/ann/.local/state/bulkhead",
	Runtime:   "/run/user/7/bulkhead",
	Binaries:  []string{"/usr/local/bin/bulkhead"},
	Policies:  []string{"/home/ann/p.yaml"},
	Workspace: "/home/ann/.local/state/bulkhead/jobs/j/n/1",
	System:    []string{"/usr", "/bin"},
}

func TestCheck_refusesForbiddenPlaces(t *testing.T) {
	for _, row := range []struct{ name, grant, want string }{
		{"the state folder", "/home/ann/.local/state/bulkhead", `it is Bulkhead's state folder`},
		{"a file in it", "/home/ann/.local/state/bulkhead/db/x", `it lies in Bulkhead's state folder "/home/ann/.local/state/bulkhead"`},
		{"a folder around it", "/home/ann", `it holds Bulkhead's state folder "/home/ann/.local/state/bulkhead"`},
		{"everything", "/", `it holds Bulkhead's state folder "/home/ann/.local/state/bulkhead"`},
		{"another attempt's folder", "/home/ann/.local/state/bulkhead/jobs/j/n/2", `it lies in Bulkhead's state folder "/home/ann/.local/state/bulkhead"`},
		{"the folder around the workspace", "/home/ann/.local/state/bulkhead/jobs", `it lies in Bulkhead's state folder "/home/ann/.local/state/bulkhead"`},
		{"the sockets", "/run/user", `it holds Bulkhead's sockets "/run/user/7/bulkhead"`},
		{"the policy", "/home/ann/p.yaml", `it is the policy file`},
		{"a path that is not resolved", "~/x", `the path is not resolved`},
		{"a path that is not clean", "/opt/../home/ann", `the path is not resolved`},
		{"a workspace that is not clean", "$WORKSPACE/../x", `the path is not resolved`},
	} {
		t.Run(row.name, func(t *testing.T) {
			for verb, p := range map[string]Policy{"read": Policy{}.With(ReadOnly(row.grant)), "write": Policy{}.With(Writable(row.grant))} {
				err := Check(p, host)
				want := verb + " " + quote(row.grant) + ": " + row.want
				if err == nil || err.Error() != want {
					t.Errorf("Check = %v, want %s", err, want)
				}
				if fault.KindOf(err) != fault.Denied {
					t.Errorf("kind = %v, want denied", fault.KindOf(err))
				}
			}
		})
	}
}

func TestCheck_allowsWhatLiesBeside(t *testing.T) {
	for _, grant := range []string{
		"/home/ann/.local/state/bulkhead2", "/home/ann/src", "/opt", "/run/user/7/other",
		"/home/ann/.local/state/bulkhead/jobs/j/n/1", "/home/ann/.local/state/bulkhead/jobs/j/n/1/out",
		"$WORKSPACE", "$WORKSPACE/x",
	} {
		if err := Check(Policy{}.With(ReadOnly(grant), Writable(grant)), host); err != nil {
			t.Errorf("Check(%q) = %v, want nothing", grant, err)
		}
	}
}

func TestCheck_ofTheBinaryDependsOnWhoSeesItAnyway(t *testing.T) {
	for _, grant := range []string{"/usr", "/usr/local/bin", "/usr/local/bin/bulkhead"} {
		if err := Check(Policy{}.With(ReadOnly(grant)), host); err != nil {
			t.Errorf("reading %q = %v, want nothing", grant, err)
		}
		if err := Check(Policy{}.With(Writable(grant)), host); err == nil {
			t.Errorf("writing %q was allowed", grant)
		}
	}
	elsewhere := HostPaths{Binaries: []string{"/home/ann/src/bin/bulkhead"}, System: []string{"/usr"}}
	if err := Check(Policy{}.With(ReadOnly("/home/ann/src")), elsewhere); err == nil {
		t.Error("reading a build folder with the program was allowed")
	}
}

func TestCheck_aWorkspaceAroundTheStateOpensNothing(t *testing.T) {
	h := HostPaths{State: "/home/ann/state", Workspace: "/home/ann"}
	if err := Check(Policy{}.With(Writable("/home/ann/state/db")), h); err == nil {
		t.Error("the state folder was granted because it lies in the work folder")
	}
	h.Workspace = h.State
	if err := Check(Policy{}.With(Writable("/home/ann/state")), h); err == nil {
		t.Error("the state folder was granted because it is the work folder")
	}
}

func TestCheck_namesEveryGrant(t *testing.T) {
	err := Check(Policy{}.With(ReadOnly("/home", "/opt", "/run"), Writable("/home/ann")), host)
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("Check = %v, want three lines", err)
	}
	if fault.HintOf(err) == "" {
		t.Error("there is no hint")
	}
}

func TestCheck_withoutPlacesRefusesNothingResolved(t *testing.T) {
	if err := Check(Policy{}.With(ReadOnly("/"), Writable("/srv")), HostPaths{}); err != nil {
		t.Errorf("Check = %v, want nothing", err)
	}
}
