package policy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

func TestNarrow(t *testing.T) {
	zero := Policy{}
	hosts := func(names ...string) Policy { return Policy{Network: Network{Allow: names}} }
	for _, row := range []struct {
		name                   string
		ceiling, request, want Policy
		flags                  []string
	}{
		{"nothing of nothing", zero, zero, zero, nil},
		{"nothing of much", zero.With(ReadOnly("/a"), PassEnv("A")), zero, zero, nil},

		{"a path without a grant", zero, zero.With(ReadOnly("/x")), zero, []string{"--read /x"}},
		{"the path that is granted", zero.With(ReadOnly("/x")), zero.With(ReadOnly("/x")), zero.With(ReadOnly("/x")), nil},
		{"a path beneath", zero.With(ReadOnly("/x")), zero.With(ReadOnly("/x/y")), zero.With(ReadOnly("/x/y")), nil},
		{"a path with the same beginning", zero.With(ReadOnly("/x")), zero.With(ReadOnly("/xy")), zero, []string{"--read /xy"}},
		{"a path above is cut down", zero.With(ReadOnly("/x/y", "/x/z", "/w")), zero.With(ReadOnly("/x")), zero.With(ReadOnly("/x/y", "/x/z")), []string{"--read /x"}},
		{"writing implies reading", zero.With(Writable("/x")), zero.With(ReadOnly("/x/y")), zero.With(ReadOnly("/x/y")), nil},
		{"reading does not imply writing", zero.With(ReadOnly("/x")), zero.With(Writable("/x/y")), zero.With(ReadOnly("/x/y")), []string{"--write /x/y"}},
		{"writing cut down, reading kept", zero.With(ReadOnly("/x"), Writable("/x/y")), zero.With(Writable("/x")), zero.With(ReadOnly("/x"), Writable("/x/y")), []string{"--write /x"}},
		{"doubled grants become one", zero.With(ReadOnly("/")), zero.With(ReadOnly("/b", "/a", "/a/c"), Writable()), zero.With(ReadOnly("/a", "/b")), nil},
		{"reading what is written is said once", zero.With(Writable("/x")), zero.With(ReadOnly("/x"), Writable("/x")), zero.With(Writable("/x")), nil},
		{"the work folder is free", zero, zero.With(ReadOnly("$WORKSPACE"), Writable("$WORKSPACE/out")), zero.With(ReadOnly("$WORKSPACE"), Writable("$WORKSPACE/out")), nil},
		{"not by another name", zero, zero.With(Writable("$WORKSPACE/../x")), zero, []string{"--write '$WORKSPACE/../x'"}},
		{"a path that is not resolved", zero.With(ReadOnly("/", "~/x", "")), zero.With(ReadOnly("~/x", "x", "/a/../b", "")), zero, []string{"--read ~/x", "--read x", "--read '/a/../b'", "--read ''"}},
		{"a grant of nothing grants nothing", zero.With(ReadOnly("")), zero.With(ReadOnly("/x")), zero, []string{"--read /x"}},
		{"a path that a shell would split", zero, zero.With(ReadOnly("/it's mine")), zero, []string{`--read '/it'\''s mine'`}},

		{"a name that is passed", zero.With(PassEnv("A", "B")), zero.With(PassEnv("A", "C")), zero.With(PassEnv("A")), []string{"--pass-env C"}},
		{"a value is the request's own word", zero, zero.With(SetEnv("A", "x")), zero.With(SetEnv("A", "x")), nil},
		{"the ceiling's values stay there", zero.With(SetEnv("A", "x")), zero, zero, nil},
		{"a host by the same word", hosts("a:443"), hosts("a:443", "b:443"), hosts("a:443"), []string{"--allow 'b:443'"}},

		{"a smaller limit", zero.With(Memory(GiB)), zero.With(Memory(MiB)), zero.With(Memory(MiB)), nil},
		{"a larger limit", zero.With(Memory(GiB)), zero.With(Memory(4 * GiB)), zero.With(Memory(GiB)), []string{"--memory 4G"}},
		{"no limit takes the ceiling's", zero.With(Memory(GiB), Timeout(time.Hour)), zero, zero.With(Memory(GiB), Timeout(time.Hour)), nil},
		{"as much as the default", zero, zero.With(Memory(2 * GiB)), zero.With(Memory(2 * GiB)), nil},
		{"more than the default", zero, zero.With(Memory(3 * GiB)), zero, []string{"--memory 3G"}},
		{"less than a ceiling above the default", zero.With(Memory(8 * GiB)), zero.With(Memory(4 * GiB)), zero.With(Memory(4 * GiB)), nil},
		{"a time where there is no limit", zero, zero.With(Timeout(1000 * time.Hour)), zero.With(Timeout(1000 * time.Hour)), nil},
		{"a longer time", zero.With(Timeout(time.Minute)), zero.With(Timeout(5 * time.Minute)), zero.With(Timeout(time.Minute)), []string{"--timeout 5m"}},
		{"a limit without a flag", zero, zero.With(PIDs(1000)), zero, []string{"--policy FILE with limits: {pids: 1000}"}},
		{"more CPUs", zero.With(CPUs(1)), zero.With(CPUs(1.5)), zero.With(CPUs(1)), []string{"--policy FILE with limits: {cpus: 1.5}"}},

		{"strict is narrower", zero, zero.With(SystemCalls(Strict)), zero.With(SystemCalls(Strict)), nil},
		{"default is wider", zero.With(SystemCalls(Strict)), zero.With(SystemCalls(Default)), zero.With(SystemCalls(Strict)), []string{"--policy FILE with syscalls: default"}},
		{"no profile takes the ceiling's", zero.With(SystemCalls(Strict)), zero, zero.With(SystemCalls(Strict)), nil},
		{"default by name", zero, zero.With(SystemCalls(Default)), zero.With(SystemCalls(Default)), nil},

		{"the host without a grant", zero, zero.With(InLayer(Host)), zero, []string{"--trust-host"}},
		{"the host below native", zero.With(InLayer(Native)), zero.With(InLayer(Host)), zero.With(InLayer(Native)), []string{"--trust-host"}},
		{"the host with a grant", zero.With(InLayer(Host)), zero.With(InLayer(Host)), zero.With(InLayer(Host)), nil},
		{"a grant of the host is not a wish", zero.With(InLayer(Host)), zero, zero.With(InLayer(Native)), nil},
		{"a wall although none is needed", zero.With(InLayer(Host)), zero.With(InLayer(Native)), zero.With(InLayer(Native)), nil},
		{"the stronger wall of the operator", zero.With(InLayer(GVisor)), zero.With(InLayer(Native)), zero.With(InLayer(GVisor)), nil},
		{"the stronger wall of the request", zero.With(InLayer(Native)), zero.With(InLayer(MicroVM)), zero.With(InLayer(MicroVM)), nil},
		{"an unknown wall is never replaced", zero.With(InLayer("vault")), zero.With(InLayer(MicroVM)), zero.With(InLayer("vault")), nil},

		{"watching is free", zero, zero.With(TraceDenials()), zero.With(TraceDenials()), nil},
		{"watching by the operator", zero.With(TraceDenials()), zero, zero.With(TraceDenials()), nil},
		{"best effort without a grant", zero, zero.With(BestEffort()), zero, []string{"--policy FILE with best_effort: true"}},
		{"best effort that nobody asked for", zero.With(BestEffort()), zero, zero, nil},
		{"best effort on both sides", zero.With(BestEffort()), zero.With(BestEffort()), zero.With(BestEffort()), nil},
		{"protected paths add up", Policy{Filesystem: Filesystem{Protect: []string{"/a"}}}, Policy{Filesystem: Filesystem{Protect: []string{"/b"}}}, Policy{Filesystem: Filesystem{Protect: []string{"/a", "/b"}}}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, excess := Narrow(row.ceiling, row.request)
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Error(diff)
			}
			var flags []string
			for _, e := range excess {
				flags = append(flags, e.Flag)
			}
			if diff := cmp.Diff(row.flags, flags); diff != "" {
				t.Errorf("flags: %s", diff)
			}
		})
	}
}

func TestNarrow_sharesNothingWithItsArguments(t *testing.T) {
	ceiling, request := full.Clone(), full.Clone()
	got, _ := Narrow(ceiling, request)
	got.Env.Set["LANG"], got.Env.Pass[0], got.Filesystem.Write[0] = "changed", "changed", "changed"
	if diff := cmp.Diff(full, ceiling); diff != "" {
		t.Errorf("the ceiling changed: %s", diff)
	}
	if diff := cmp.Diff(full, request); diff != "" {
		t.Errorf("the request changed: %s", diff)
	}
}

func TestRefuse_printsEachFlag(t *testing.T) {
	request := Policy{}.With(ReadOnly("/data"), PassEnv("TOKEN"), Memory(4*GiB), InLayer(Host))
	_, excess := Narrow(Policy{}, request)
	err := Refuse(`node "build"`, excess)
	want := `node "build" asks to run without a sandbox, which was not granted; grant it with --trust-host
node "build" asks to read "/data", which was not granted; grant it with --read /data
node "build" asks to see the variable "TOKEN", which was not granted; grant it with --pass-env TOKEN
node "build" asks for memory 4G, which was not granted; grant it with --memory 4G`
	if err == nil || err.Error() != want {
		t.Errorf("Refuse = %v, want\n%s", err, want)
	}
	if got := fault.KindOf(err); got != fault.Denied {
		t.Errorf("kind = %v, want denied", got)
	}
	if got, want := fault.HintOf(err), "to grant all of it: --trust-host --read /data --pass-env TOKEN --memory 4G"; got != want {
		t.Errorf("hint = %q, want %q", got, want)
	}
	if err := Refuse("", nil); err != nil {
		t.Errorf("Refuse of nothing = %v, want nil", err)
	}
}

func TestNarrow_pointsIntoTheRequest(t *testing.T) {
	request := Policy{Layer: Host, Syscalls: Default, BestEffort: true}.
		With(ReadOnly("$WORKSPACE", "/r"), Writable("/w"), PassEnv("A"), PIDs(9999))
	request.Network.Allow = []string{"h"}
	_, excess := Narrow(Policy{Syscalls: Strict}, request)
	var got []string
	for _, e := range excess {
		got = append(got, e.Pointer)
	}
	want := []string{"/layer", "/filesystem/read/1", "/filesystem/write/0", "/network/allow/0", "/env/pass/0", "/limits/pids", "/syscalls", "/best_effort"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
