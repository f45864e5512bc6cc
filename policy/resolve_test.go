package policy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// here is a placement that knows everything.
var here = Placement{
	Home:      "/home/ann",
	Workspace: "/state/jobs/j/n/1",
	Inputs:    map[string]string{"tree": "/src/go", "part": "a//b/./c", "evil": "../../etc", "word": "$WORKSPACE/x", "rel": "src", "home": "~", "again": "${inputs.tree}", "none": ""},
}

func TestResolve_expandsEachWordOnce(t *testing.T) {
	for written, want := range map[string]string{
		"/usr":                     "/usr",
		"/usr//lib/./x/":           "/usr/lib/x",
		"~":                        "/home/ann",
		"~/.cache/":                "/home/ann/.cache",
		"$WORKSPACE":               "/state/jobs/j/n/1",
		"$WORKSPACE/out":           "/state/jobs/j/n/1/out",
		"${inputs.tree}":           "/src/go",
		"${inputs.tree}/x":         "/src/go/x",
		"/d/${inputs.part}":        "/d/a/b/c",
		"~/${inputs.part}":         "/home/ann/a/b/c",
		"$WORKSPACE/${inputs.rel}": "/state/jobs/j/n/1/src",
	} {
		got, err := Resolve(Policy{}.With(ReadOnly(written)), here)
		if err != nil {
			t.Errorf("Resolve(%q): %v", written, err)
			continue
		}
		if got.Filesystem.Read[0] != want {
			t.Errorf("Resolve(%q) = %q, want %q", written, got.Filesystem.Read[0], want)
		}
	}
}

func TestResolve_keepsTheWorkspaceUntilItIsKnown(t *testing.T) {
	p := Policy{}.With(Writable("$WORKSPACE/out/"), ReadOnly("$WORKSPACE"))
	got, err := Resolve(p, Placement{})
	if err != nil {
		t.Fatal(err)
	}
	want := Policy{}.With(Writable("$WORKSPACE/out"), ReadOnly("$WORKSPACE"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestResolve_rejects(t *testing.T) {
	nowhere := Placement{Home: "home", Workspace: "/"}
	for _, row := range []struct {
		name  string
		p     Policy
		place Placement
		want  string
	}{
		{"a home that nobody knows", Policy{}.With(ReadOnly("~/x")), Placement{}, `/filesystem/read/0: "~/x" needs a home, and none is known; write the path out`},
		{"a home that is relative", Policy{}.With(ReadOnly("~/x")), nowhere, `/filesystem/read/0: "~/x" becomes "home/x": "home/x" is not absolute; begin with /, ~/ or $WORKSPACE/`},
		{"an input without a value", Policy{}.With(ReadOnly("/a", "${inputs.no}")), here, `/filesystem/read/1: "${inputs.no}" uses the input "no", which has no value; give it with --set no=…`},
		{"an input with an empty value", Policy{}.With(ReadOnly("/a/${inputs.none}")), here, `/filesystem/read/0: "/a/${inputs.none}" uses the input "none", which has no value; give it with --set none=…`},
		{"an input that climbs", Policy{}.With(ReadOnly("/data/${inputs.evil}")), here, `/filesystem/read/0: "/data/${inputs.evil}" becomes "/data/../../etc": "/data/../../etc" contains ".."; write the path without it`},
		{"an input that climbs out of the workspace", Policy{}.With(ReadOnly("$WORKSPACE/.${inputs.dot}/x")), Placement{Inputs: map[string]string{"dot": "."}}, `/filesystem/read/0: "$WORKSPACE/.${inputs.dot}/x" becomes "$WORKSPACE/../x": "$WORKSPACE/../x" contains ".."; write the path without it`},
		{"an input that is relative", Policy{}.With(ReadOnly("${inputs.rel}")), here, `/filesystem/read/0: "${inputs.rel}" becomes "src": "src" is not absolute; begin with /, ~/ or $WORKSPACE/`},
		{"an input that names the workspace", Policy{}.With(ReadOnly("${inputs.word}")), here, `/filesystem/read/0: "${inputs.word}" becomes "$WORKSPACE/x": "$WORKSPACE/x" is expanded only once; write $WORKSPACE in the policy`},
		{"an input that names the home", Policy{}.With(ReadOnly("${inputs.home}")), here, `/filesystem/read/0: "${inputs.home}" becomes "~": "~" is expanded only once; write the path out`},
		{"an input that names an input", Policy{}.With(ReadOnly("${inputs.again}")), here, `/filesystem/read/0: "${inputs.again}" becomes "${inputs.tree}": "${inputs.tree}" is expanded only once; write the path out`},
		{"an input in the kernel's folders", Policy{}.With(ReadOnly("${inputs.p}")), Placement{Inputs: map[string]string{"p": "/proc/self"}}, `/filesystem/read/0: "${inputs.p}" becomes "/proc/self": /proc of the host may not be granted; the sandbox has its own`},
		{"a workspace that is everything", Policy{}.With(Writable("$WORKSPACE")), nowhere, `/filesystem/write/0: "$WORKSPACE" becomes "/": the whole host may not be granted for writing; name the folders`},
		{"what Validate refuses", Policy{}.With(Writable("src")), here, `/filesystem/write/0: "src" is not absolute; begin with /, ~/ or $WORKSPACE/`},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := Resolve(row.p, row.place)
			if err == nil {
				t.Fatalf("Resolve = %+v", got)
			}
			if err.Error() != row.want {
				t.Errorf("Resolve says\n%s\nwant\n%s", err, row.want)
			}
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("kind = %v, want invalid", fault.KindOf(err))
			}
		})
	}
}

func TestResolve_tellsEveryProblem(t *testing.T) {
	_, err := Resolve(Policy{}.With(ReadOnly("~", "/ok", "${inputs.x}"), Writable("~/y")), Placement{})
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("Resolve = %v, want three problems", err)
	}
}

func TestResolve_leavesTheOriginalAsItWas(t *testing.T) {
	p := Policy{}.With(ReadOnly("~/x"), Writable("$WORKSPACE"))
	if _, err := Resolve(p, here); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Policy{}.With(ReadOnly("~/x"), Writable("$WORKSPACE")), p); diff != "" {
		t.Error(diff)
	}
}
