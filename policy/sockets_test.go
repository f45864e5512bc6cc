package policy

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// listen makes a socket. Its path is short enough: t.TempDir may not be.
func listen(t *testing.T, at string) {
	t.Helper()
	l, err := net.Listen("unix", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
}

// tree makes a folder with a short name, with folders in it.
func tree(t *testing.T, folders ...string) string {
	t.Helper()
	root, err := os.MkdirTemp("", "sock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	for _, f := range folders {
		if err := os.MkdirAll(filepath.Join(root, f), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestFindSockets_findsThemAtAnyDepth(t *testing.T) {
	root := tree(t, "a/b/c", "d")
	listen(t, filepath.Join(root, "a/b/c/s"))
	listen(t, filepath.Join(root, "d/t"))
	if err := os.WriteFile(filepath.Join(root, "plain"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := FindSockets(root, ScanLimits{})
	if err != nil {
		t.Fatal(err)
	}
	want := Scan{Found: []string{filepath.Join(root, "d/t"), filepath.Join(root, "a/b/c/s")}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFindSockets_ofASocketItselfAndOfLinksToIt(t *testing.T) {
	root := tree(t, "a", "b")
	socket, link, folder := filepath.Join(root, "a/s"), filepath.Join(root, "link"), filepath.Join(root, "b/a")
	listen(t, socket)
	for to, from := range map[string]string{link: socket, folder: filepath.Join(root, "a")} {
		if err := os.Symlink(from, to); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct {
		name, at string
		want     []string
	}{
		{"the socket", socket, []string{socket}},
		{"a link to it", link, []string{link}},
		{"a link to its folder", folder, []string{filepath.Join(folder, "s")}},
		{"a folder with a link, which is not followed", filepath.Join(root, "b"), nil},
		{"nothing", filepath.Join(root, "none"), nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := FindSockets(row.at, ScanLimits{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(Scan{Found: row.want}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFindSockets_ofAFileFindsNone(t *testing.T) {
	at := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(at, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := FindSockets(at, ScanLimits{}); err != nil || len(got.Found) > 0 || got.Partial != "" {
		t.Errorf("FindSockets = %+v, %v, want nothing", got, err)
	}
}

func TestFindSockets_saysWhenItStopsEarly(t *testing.T) {
	root := tree(t, "a/b/c")
	for i := range 20 {
		if err := os.WriteFile(filepath.Join(root, "a", fmt.Sprint(i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for want, limits := range map[string]ScanLimits{
		"it has more than 10 files":   {Entries: 10},
		"it is deeper than 2 folders": {Depth: 2},
		"":                            {Entries: 23, Depth: 4},
	} {
		got, err := FindSockets(root, limits)
		if err != nil || got.Partial != want {
			t.Errorf("Partial = %q, %v, want %q", got.Partial, err, want)
		}
	}
}

func TestCheckSockets_refusesAndWarns(t *testing.T) {
	root := tree(t, "with", "without/deep/er")
	listen(t, filepath.Join(root, "with/s"))

	p := Policy{}.With(ReadOnly(filepath.Join(root, "without"), "$WORKSPACE"))
	warnings, err := CheckSockets(p, ScanLimits{Depth: 1})
	want := []string{fmt.Sprintf("grant %q is not fully checked for sockets: it is deeper than 1 folders", filepath.Join(root, "without"))}
	if diff := cmp.Diff(want, warnings); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}

	_, err = CheckSockets(p.With(ReadOnly(filepath.Join(root, "with"))), ScanLimits{})
	if fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), filepath.Join(root, "with/s")) {
		t.Errorf("CheckSockets = %v, want a refusal that names the socket", err)
	}
}

func TestFindSockets_stopsWhenEnoughAreFound(t *testing.T) {
	root := tree(t)
	for i := range maxFound + 4 {
		listen(t, filepath.Join(root, fmt.Sprintf("s%02d", i)))
	}
	got, err := FindSockets(root, ScanLimits{})
	if err != nil || len(got.Found) != maxFound {
		t.Errorf("found %d sockets, %v, want %d", len(got.Found), err, maxFound)
	}
}

func TestCheckSockets_refusesAnyStateFolder(t *testing.T) {
	base := t.TempDir()
	state := filepath.Join(base, "a", "state")
	for _, name := range []string{"db", "jobs/j/n"} {
		if err := os.MkdirAll(filepath.Join(state, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"VERSION", "LOCK"} {
		if err := os.WriteFile(filepath.Join(state, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	beside := filepath.Join(base, "b")
	if err := os.MkdirAll(filepath.Join(beside, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{base: true, filepath.Dir(state): true, state: true, filepath.Join(state, "jobs/j"): true, beside: false}
	for path, refused := range rows {
		_, err := CheckSockets(Policy{}.With(ReadOnly(path)), ScanLimits{})
		if got := fault.KindOf(err) == fault.Denied; got != refused {
			t.Errorf("%s: %v, want refused %t", path, err, refused)
		}
	}
}
