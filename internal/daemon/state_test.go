package daemon

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
)

// env is an environment for tests.
type env map[string]string

func (e env) get(name string) string { return e[name] }

func TestStatePath_takesTheFirstThatIsSet(t *testing.T) {
	rows := []struct {
		name  string
		named string
		env   env
		want  string
	}{
		{"flag", "/flag", env{"BULKHEAD_STATE": "/v", "HOME": "/h"}, "/flag"},
		{"variable", "", env{"BULKHEAD_STATE": "/v", "XDG_STATE_HOME": "/x", "HOME": "/h"}, "/v"},
		{"state home", "", env{"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/bulkhead"},
		{"home", "", env{"HOME": "/h"}, "/h/.local/state/bulkhead"},
		{"unclean", "/a/../b/", nil, "/b"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got, err := StatePath(row.named, row.env.get)
			if err != nil || got != row.want {
				t.Errorf("StatePath = %q, %v, want %q", got, err, row.want)
			}
		})
	}
	if _, err := StatePath("", env{}.get); fault.KindOf(err) != fault.Invalid {
		t.Errorf("StatePath without a home = %v, want invalid", err)
	}
}

func TestOpenState_refusesWhatIsNotOurs(t *testing.T) {
	rows := []struct {
		name    string
		prepare func(t *testing.T, dir string) string // returns the path to open
		kind    fault.Kind
		says    string
		hint    string
	}{
		{"a file", func(t *testing.T, dir string) string {
			write(t, dir, "file", "x")
			return filepath.Join(dir, "file")
		}, fault.Invalid, "file", "name a folder"},
		{"beneath a file", func(t *testing.T, dir string) string {
			write(t, dir, "file", "x")
			return filepath.Join(dir, "file/state")
		}, fault.Invalid, "not a directory", "name a folder"},
		{"other people's files", func(t *testing.T, dir string) string {
			write(t, dir, "thesis.txt", "x")
			return dir
		}, fault.Invalid, "not a state folder", "--state"},
		{"writable by others", func(t *testing.T, dir string) string {
			return chmod(t, dir, 0o777)
		}, fault.Denied, "may be changed by others", "--state"},
		{"writable by the group", func(t *testing.T, dir string) string {
			return chmod(t, dir, 0o770)
		}, fault.Denied, "may be changed by others", "--state"},
		{"a dangling link", func(t *testing.T, dir string) string {
			link := filepath.Join(dir, "link")
			if err := os.Symlink("/nonexistent/state", link); err != nil {
				t.Fatal(err)
			}
			return link
		}, fault.Invalid, "link", "name a folder"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			path := row.prepare(t, dir)
			before := list(t, dir)

			_, err := openState(path, Serve)
			if fault.KindOf(err) != row.kind || !strings.Contains(err.Error(), row.says) || !strings.Contains(fault.HintOf(err), row.hint) {
				t.Errorf("openState = %v (%s), hint %q; want %s that says %q, hint %q", err, fault.KindOf(err), fault.HintOf(err), row.kind, row.says, row.hint)
			}
			if after := list(t, dir); after != before {
				t.Errorf("the folder was touched: %s, before %s", after, before)
			}
		})
	}
}

func TestOpenState_refusesAFolderOfSomebodyElse(t *testing.T) {
	kerneltest.NeedRoot(t)
	dir := t.TempDir()
	if err := os.Chown(dir, 54321, 54321); err != nil {
		t.Fatal(err)
	}
	_, err := openState(dir, Serve)
	if fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), "uid 54321") {
		t.Errorf("openState = %v, want denied that names the owner", err)
	}
}

func TestOpenState_namesAFolderThatCannotBeRead(t *testing.T) {
	kerneltest.Need(t, "ordinary user", os.Geteuid() != 0, "root may read everything")
	dir := chmod(t, t.TempDir(), 0)
	_, err := openState(dir, Serve)
	if fault.KindOf(err) != fault.Denied || fault.HintOf(err) == "" {
		t.Errorf("openState = %v, want denied with a hint", err)
	}
}

func TestOpenState_makesAPrivateFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a/b")
	got, err := openState(path, Serve)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(got)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("mode = %v, want 0700", info.Mode().Perm())
	}
}

func TestOpenState_makesNothingForWhoLooks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	for mode, want := range map[Mode]error{Read: ErrNoState, Act: ErrNoState, Join: ErrNoHolder} {
		if _, err := openState(path, mode); !errors.Is(err, want) {
			t.Errorf("openState(%d) = %v, want %v", mode, err, want)
		}
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the folder was made")
	}
}

func TestOpenState_followsALinkToTheRealFolder(t *testing.T) {
	dir := t.TempDir()
	real, err := openState(filepath.Join(dir, "real"), Serve)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	got, err := openState(filepath.Join(dir, "link"), Serve)
	if err != nil || key(got) != key(real) {
		t.Errorf("openState = %q, %v, want %q", got, err, real)
	}
}

func TestSocketPath_fitsForAnyState(t *testing.T) {
	run := t.TempDir()
	if len(run) > 70 {
		run = chmod(t, mkdir(t, "/tmp", "bh"), 0o700)
	}
	long := "/" + strings.Repeat("long/", 100)
	path, err := socketPath(long, os.Geteuid(), env{"XDG_RUNTIME_DIR": run}.get)
	if err != nil {
		t.Fatal(err)
	}
	if len(path) >= maxSocketPath || !strings.HasPrefix(path, run) {
		t.Errorf("socketPath = %q (%d bytes)", path, len(path))
	}
	other, err := socketPath(long+"x", os.Geteuid(), env{"XDG_RUNTIME_DIR": run}.get)
	if err != nil || other == path {
		t.Errorf("two state folders share %q, %v", path, err)
	}
}

func TestSocketPath_passesOverABadFolder(t *testing.T) {
	rows := []struct {
		name string
		dir  func(t *testing.T, parent string) // makes parent/bulkhead
	}{
		{"open to others", func(t *testing.T, parent string) { chmod(t, mkdirAt(t, parent, "bulkhead"), 0o755) }},
		{"a file", func(t *testing.T, parent string) { write(t, parent, "bulkhead", "") }},
		{"a link", func(t *testing.T, parent string) {
			mkdirAt(t, parent, "elsewhere")
			if err := os.Symlink("elsewhere", filepath.Join(parent, "bulkhead")); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			parent := chmod(t, mkdir(t, "/tmp", "bh"), 0o700)
			row.dir(t, parent)
			err := makePrivate(filepath.Join(parent, "bulkhead"))
			if err == nil {
				t.Error("the folder was taken")
			}
		})
	}
}

func TestListen_replacesAStaleSocket(t *testing.T) {
	dir := mkdir(t, "/tmp", "bh")
	path := filepath.Join(dir, "s")
	for range 2 {
		l, err := listen(path)
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		_ = l.Close()
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v, want 0600", info.Mode(), err)
	}
}

func TestStateError_namesWhatToDo(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EACCES, unix.EROFS, unix.ENOSPC, unix.ENOTDIR, unix.EPERM} {
		err := stateError("/s", &fs.PathError{Op: "open", Path: "/s/x", Err: errno})
		if !errors.Is(err, errno) || fault.HintOf(err) == "" || !strings.Contains(err.Error(), "/s/x") {
			t.Errorf("stateError(%s) = %v, hint %q", errno, err, fault.HintOf(err))
		}
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, path string, mode fs.FileMode) string {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(path, 0o700) })
	return path
}

// mkdir makes a folder with a short name, which sockets need.
func mkdir(t *testing.T, parent, prefix string) string {
	t.Helper()
	dir, err := os.MkdirTemp(parent, prefix)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func mkdirAt(t *testing.T, parent, name string) string {
	t.Helper()
	path := filepath.Join(parent, name)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// list is the names in a folder.
func list(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// Another user of the host makes the folder first.
func TestSocketPath_takenNamesDoNotKeepUsOut(t *testing.T) {
	base := t.TempDir()
	taken := filepath.Join(base, "bulkhead")
	if err := os.Mkdir(taken, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(taken, 0o777); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(base, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	const nobodyHere = 4_000_000_000 // has no folder in /run/user
	if err := os.Mkdir("/tmp/bulkhead-4000000000", 0o777); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	defer os.Remove("/tmp/bulkhead-4000000000")
	if err := os.Chmod("/tmp/bulkhead-4000000000", 0o777); err != nil {
		t.Fatal(err)
	}
	path, err := socketPath(state, nobodyHere, env{"XDG_RUNTIME_DIR": base}.get)
	if err != nil || filepath.Dir(path) != filepath.Join(state, "run") {
		t.Errorf("socketPath = %q, %v, want it in the state folder", path, err)
	}
}
