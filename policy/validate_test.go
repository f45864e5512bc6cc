package policy

import (
	"math"
	"strings"
	"testing"
)

func TestValidate_takesThePoliciesThatParseGives(t *testing.T) {
	for name, p := range awkward {
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidate_rejectsWhatOnlyGoCanBuild(t *testing.T) {
	for name, row := range map[string]struct {
		p    Policy
		want string
	}{
		"a negative limit":      {Policy{}.With(Memory(-1)), `/limits/memory: -1 is outside 1M to 16T`},
		"a negative time":       {Policy{}.With(Timeout(-1)), `/limits/wall_time: -1ns is outside 1ms to 8760h`},
		"not a number":          {Policy{}.With(CPUs(math.NaN())), `/limits/cpus: NaN is outside 0.01 to 4096`},
		"infinity":              {Policy{}.With(CPUs(math.Inf(1))), `/limits/cpus: +Inf is outside 0.01 to 4096`},
		"a path in other bytes": {Policy{}.With(ReadOnly("/\xff")), `/filesystem/read/0: "/\xff" is not UTF-8`},
		"a value in others":     {Policy{}.With(SetEnv("A", "\xff")), `/env/set/A: the value is not UTF-8`},
		"a layer of the future": {Policy{}.With(InLayer(MicroVM)), `/layer: "microvm" is not supported yet; use one of: host, native`},
		"an invented layer":     {Policy{}.With(InLayer("none")), `/layer: unknown word "none"; use one of: host, native`},
		"a network":             {Policy{Network: Network{Allow: []string{"x"}}}, `/network/allow: allowed hosts are not supported yet; write network: none`},
		"too many variables":    {Policy{Env: Env{Pass: strings.Split(strings.Repeat("A,", 1024)+"A", ",")}}, `/env: has 1025 variables; at most 1024 are allowed`},
	} {
		t.Run(name, func(t *testing.T) {
			err := row.p.Validate()
			if err == nil || err.Error() != row.want {
				t.Errorf("Validate = %v, want %s", err, row.want)
			}
		})
	}
}

func TestCheckPass_knowsEveryRowOfTheTable(t *testing.T) {
	for _, u := range unpassable {
		name := u.name
		if u.prefix {
			name += "X"
		}
		if bad := checkPass(name); bad == nil || !strings.Contains(bad.reason, u.why) {
			t.Errorf("checkPass(%q) = %v, want that %s", name, bad, u.why)
		}
		if bad := checkSetting(name, "x"); bad != nil {
			t.Errorf("%s may not be set: %v", name, bad)
		}
	}
	for _, name := range []string{"OLD_PATH", "ENVIRONMENT", "GCONV_PATHS", "MN_JOB", "PATH", "_"} {
		if bad := checkPass(name); bad != nil {
			t.Errorf("checkPass(%q) = %v, want nothing", name, bad)
		}
	}
}

func TestCovers_comparesComponents(t *testing.T) {
	for _, row := range []struct {
		folder, path string
		want         bool
	}{
		{"/a", "/a", true},
		{"/a", "/a/b", true},
		{"/a", "/ab", false},
		{"/a/b", "/a", false},
		{"/", "/", true},
		{"/", "/a", true},
		{"/", "a", false},
		{"", "/a", false},
		{"", "", false},
		{"/a/", "/a/b", false}, // not clean: covers nothing
		{workspace, "$WORKSPACE/x", true},
		{workspace, "$WORKSPACES", false},
		{"/", workspace, false},
	} {
		if got := covers(row.folder, row.path); got != row.want {
			t.Errorf("covers(%q, %q) = %v, want %v", row.folder, row.path, got, row.want)
		}
	}
}
