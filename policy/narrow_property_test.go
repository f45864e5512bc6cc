package policy

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// pick is a source of choices: random in the property test, a file of the
// fuzzer in FuzzNarrow.
type pick func(n int) int

func one[T any](p pick, of ...T) T { return of[p(len(of))] }

func some[T any](p pick, of ...T) []T {
	var all []T
	for range p(4) {
		all = append(all, one(p, of...))
	}
	return all
}

// somePolicy makes any policy out of a small world, so that policies meet.
func somePolicy(p pick) Policy {
	paths := []string{"/", "/a", "/a/b", "/a/b/c", "/ab", "/b", "/b/a", "$WORKSPACE", "$WORKSPACE/a", "~", "a", "", "/a/../b", "/a/", "$WORKSPACE/.."}
	q := Policy{
		Layer: one(p, "", Host, Native, Wasm, GVisor, MicroVM, "other"),
		Filesystem: Filesystem{
			Read:  some(p, paths...),
			Write: some(p, paths...),
		},
		Network: Network{Allow: some(p, "x:443", "y:443")},
		Env:     Env{Pass: some(p, "A", "B", "C")},
		Limits: Limits{
			Memory: one(p, 0, MiB, 2*GiB, 3*GiB), CPUs: one(p, 0, 0.5, 2), PIDs: one(p, 0, 1, 512, 513),
			OpenFiles: one(p, 0, 16, 1024, 4096), FileSize: one(p, 0, 1, 4*GiB, 5*GiB), Output: one(p, 0, 1, 16*MiB, GiB),
			WallTime: one(p, 0, time.Second, time.Hour), Scratch: one(p, 0, 4*KiB, 512*MiB, GiB),
		},
		Syscalls:     one(p, "", Strict, Default),
		TraceDenials: one(p, true, false),
		BestEffort:   one(p, true, false),
	}
	if p(2) == 0 {
		q.Env.Set = map[string]string{one(p, "A", "B"): "x"}
	}
	return q
}

// allows is what a policy means, told apart from how Narrow computes it.
// places are asked one by one: a path is open when a resolved grant is the
// path or one of its parents.
func allows(folders []string, place string, free bool) bool {
	if free && (place == workspace || strings.HasPrefix(place, workspace+"/")) {
		return true
	}
	for at := place; ; at = at[:strings.LastIndex(at, "/")] {
		if slices.Contains(folders, at) || strings.HasPrefix(at, "/") && slices.Contains(folders, "/") {
			return true
		}
		if strings.LastIndex(at, "/") <= 0 {
			return false
		}
	}
}

// places are asked about in each policy.
func places() []string {
	var all []string
	for _, root := range []string{"", workspace} {
		all = append(all, root+"/zz", root+"/a", root+"/b", root+"/ab", root+"/c")
		for _, x := range []string{"a", "b"} {
			for _, y := range []string{"a", "b", "bc"} {
				all = append(all, root+"/"+x+"/"+y, root+"/"+x+"/"+y+"/c", root+"/"+x+"/"+y+"/c/d")
			}
		}
	}
	return append(all, workspace)
}

// checkNarrow holds the promises of Narrow for one pair.
func checkNarrow(t *testing.T, ceiling, request Policy) {
	t.Helper()
	got, excess := Narrow(ceiling, request)

	for _, place := range places() {
		c := allows(ceiling.Filesystem.Write, place, true)
		r := allows(request.Filesystem.Write, place, false)
		if w := allows(got.Filesystem.Write, place, false); w != (c && r) {
			t.Errorf("write %s = %v, ceiling %v, request %v", place, w, c, r)
		}
		c = c || allows(ceiling.Filesystem.Read, place, true)
		r = r || allows(request.Filesystem.Read, place, false)
		read := allows(got.Filesystem.Read, place, false) || allows(got.Filesystem.Write, place, false)
		if read != (c && r) {
			t.Errorf("read %s = %v, ceiling %v, request %v", place, read, c, r)
		}
	}
	for _, name := range []string{"A", "B", "C"} {
		want := slices.Contains(ceiling.Env.Pass, name) && slices.Contains(request.Env.Pass, name)
		if slices.Contains(got.Env.Pass, name) != want {
			t.Errorf("pass %s = %v, want %v", name, !want, want)
		}
	}
	for _, host := range []string{"x:443", "y:443"} {
		want := slices.Contains(ceiling.Network.Allow, host) && slices.Contains(request.Network.Allow, host)
		if slices.Contains(got.Network.Allow, host) != want {
			t.Errorf("allow %s = %v, want %v", host, !want, want)
		}
	}
	for _, row := range limits {
		if row.exceed(got.Limits, ceiling.Limits) {
			t.Errorf("%s = %s is above the ceiling's %s", row.name, row.text(got.Limits), row.text(ceiling.Limits))
		}
		if !row.isZero(request.Limits) && row.exceed(got.Limits, request.Limits) {
			t.Errorf("%s = %s is above the request's %s", row.name, row.text(got.Limits), row.text(request.Limits))
		}
	}
	if strength(got.Layer) < strength(ceiling.Layer) || strength(got.Layer) < strength(request.Layer) {
		t.Errorf("layer %q is weaker than %q or %q", got.Layer, ceiling.Layer, request.Layer)
	}
	if (ceiling.Syscalls == Strict || request.Syscalls == Strict) != (got.Syscalls == Strict) {
		t.Errorf("syscalls = %q of %q and %q", got.Syscalls, ceiling.Syscalls, request.Syscalls)
	}
	if got.BestEffort != (ceiling.BestEffort && request.BestEffort) {
		t.Errorf("best effort = %v", got.BestEffort)
	}

	again, more := Narrow(ceiling, got)
	if diff := cmp.Diff(got, again); diff != "" {
		t.Errorf("not idempotent: %s", diff)
	}
	if len(more) > 0 {
		t.Errorf("what was given is refused the second time: %v", more)
	}
	if len(excess) == 0 && lost(request, got) {
		t.Errorf("something was taken away silently")
	}
	if t.Failed() {
		t.Fatalf("ceiling %+v\nrequest %+v\nresult %+v", ceiling, request, got)
	}
}

// lost says whether a policy allows less than the request in what is counted.
func lost(request, got Policy) bool {
	for _, place := range places() {
		wants := allows(request.Filesystem.Read, place, false) || allows(request.Filesystem.Write, place, false)
		has := allows(got.Filesystem.Read, place, false) || allows(got.Filesystem.Write, place, false)
		if wants && !has || allows(request.Filesystem.Write, place, false) && !allows(got.Filesystem.Write, place, false) {
			return true
		}
	}
	for _, name := range request.Env.Pass {
		if !slices.Contains(got.Env.Pass, name) {
			return true
		}
	}
	return false
}

func TestNarrow_neverWidens(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 8_000 {
		checkNarrow(t, somePolicy(r.IntN), somePolicy(r.IntN))
	}
}

func FuzzNarrow(f *testing.F) {
	f.Add([]byte{}, []byte{})
	f.Add([]byte("\x01\x03\x01\x02\x03\x02\x01\x05"), []byte("\x01\x03\x00\x02\x01\x02\x07\x00"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		checkNarrow(t, somePolicy(from(a)), somePolicy(from(b)))
	})
}

// from takes choices from bytes, and the first one when they are used up.
func from(data []byte) pick {
	return func(n int) int {
		if len(data) == 0 {
			return 0
		}
		v := int(data[0]) % n
		data = data[1:]
		return v
	}
}
