//go:build linux

package beneath

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// plant makes a root with every kind of way out, and returns it with a folder
// beside it that nothing may reach.
func plant(t testing.TB) (*Root, string) {
	t.Helper()
	base := t.TempDir()
	root := filepath.Join(base, "root")
	for _, dir := range []string{"root/a/b/c", "root/etc", "outside"} {
		must(t, os.MkdirAll(filepath.Join(base, dir), 0o755))
	}
	for name, text := range map[string]string{"root/a/f": "inside", "root/etc/passwd": "inside", "outside/secret": "outside", "root/secret": "inside"} {
		must(t, os.WriteFile(filepath.Join(base, name), []byte(text), 0o644))
	}
	for name, target := range map[string]string{
		"rel": "a/b", "abs": "/etc", "up": "../../outside", "real": filepath.Join(base, "outside"),
		"loop": "loop", "ping": "pong", "pong": "ping", "chain": "rel/c/../../f",
		"a/b/root": "/", "a/b/top": "../../../..", "file": "a/f", "dot": ".", "broken": "none",
		"magic": "/proc/self/root", "trailing": "a/b/",
	} {
		must(t, os.Symlink(target, filepath.Join(root, name)))
	}
	must(t, unix.Mkfifo(filepath.Join(root, "pipe"), 0o644))
	r, err := Open(root)
	must(t, err)
	t.Cleanup(func() { _ = r.Close() })
	return r, filepath.Join(base, "outside")
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestOpenFile_staysBeneathTheRoot(t *testing.T) {
	r, _ := plant(t)
	for _, row := range []struct {
		path string
		want error // nil: the file inside
	}{
		{"a/f", nil},
		{"/a/f", nil},
		{"//a/./b/../f", nil},
		{"../../../a/f", nil},
		{"rel/../f", nil},
		{"abs/passwd", nil},
		{"chain", nil},
		{"file", nil},
		{"a/b/root/a/f", nil},
		{"a/b/top/a/f", nil},
		{"a/b/root/../../etc/passwd", nil},
		{"dot/dot/dot/a/f", nil},
		{"trailing/../f", nil},
		{"up/secret", unix.ENOENT},
		{"real/secret", unix.ENOENT},
		{"magic/etc/passwd", unix.ENOENT},
		{"../outside/secret", unix.ENOENT},
		{"a/b/top/outside/secret", unix.ENOENT},
		{"loop", unix.ELOOP},
		{"ping/x", unix.ELOOP},
		{"broken", unix.ENOENT},
		{"a/f/x", unix.ENOTDIR},
		{"file/x", unix.ENOTDIR},
		{"pipe", unix.ENXIO},
		{"a", unix.EISDIR},
		{"", unix.EISDIR},
		{"/", unix.EISDIR},
		{"..", unix.EISDIR},
		{strings.Repeat("a/../", 1000), unix.ENAMETOOLONG},
		{strings.Repeat("x", 300), unix.ENAMETOOLONG},
	} {
		fd, err := r.OpenFile(row.path, unix.O_RDONLY, 0)
		if err != row.want {
			t.Errorf("%q: %v, want %v", row.path, err, row.want)
		}
		if err == nil {
			if got := text(t, fd); got != "inside" {
				t.Errorf("%q: %q came from outside", row.path, got)
			}
		}
	}
}

func text(t testing.TB, fd int) string {
	t.Helper()
	defer unix.Close(fd)
	b := make([]byte, 64)
	n, err := unix.Read(fd, b)
	must(t, err)
	return string(b[:n])
}

func TestOpenFile_makesFilesOnlyInside(t *testing.T) {
	r, outside := plant(t)
	for _, path := range []string{"new", "abs/new", "up/new", "real/new", "../../new2", "broken", "a/b/top/new3"} {
		fd, err := r.OpenFile(path, unix.O_WRONLY|unix.O_CREAT, 0o600)
		if err == nil {
			_ = unix.Close(fd)
		}
	}
	list, err := os.ReadDir(outside)
	must(t, err)
	above, err := os.ReadDir(filepath.Dir(outside))
	must(t, err)
	if len(list) != 1 || len(above) != 2 {
		t.Errorf("outside: %v, above: %v; want nothing new", list, above)
	}
	if _, err := r.OpenFile("file", unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600); err != unix.EEXIST && err != unix.ELOOP {
		t.Errorf("a new file in the place of a link: %v, want it refused", err)
	}
}

func TestResolve_namesTheLastElement(t *testing.T) {
	r, _ := plant(t)
	for _, row := range []struct {
		path   string
		follow bool
		name   string
	}{
		{"a/f", false, "f"},
		{"file", false, "file"},
		{"file", true, "f"},
		{"rel", true, "b"},
		{"rel", false, "rel"},
		{"abs", true, "etc"},
		{"none", true, "none"},
		{"broken", true, "none"},
		{"a/b/..", true, "a"},
		{"a/b/.", false, "b"},
		{"a/..", false, "."},
		{"/", false, "."},
		{"a/b/root", true, "."},
		{"dot", true, "."},
		{"trailing", true, "b"},
	} {
		p, err := r.Resolve(row.path, row.follow)
		if err != nil || p.Name != row.name {
			t.Errorf("%q, follow %v: %q, %v; want %q", row.path, row.follow, p.Name, err, row.name)
		}
		if err == nil {
			p.Close()
		}
	}
}

func TestResolve_leavesNothingOpen(t *testing.T) {
	r, _ := plant(t)
	before := open(t)
	for _, path := range []string{"a/f", "loop", "up/secret", "a/b/c/../../..", "a/f/x", "rel/c/none/x", "abs/passwd", "/", "chain"} {
		for _, follow := range []bool{true, false} {
			if p, err := r.Resolve(path, follow); err == nil {
				p.Close()
			}
		}
		if fd, err := r.OpenFile(path, unix.O_RDONLY, 0); err == nil {
			_ = unix.Close(fd)
		}
		if fd, err := r.OpenDir(path); err == nil {
			_ = unix.Close(fd)
		}
		if _, p, err := r.Stat(path, true); err == nil {
			p.Close()
		}
	}
	if after := open(t); after != before {
		t.Errorf("%d descriptors are open, %d were", after, before)
	}
}

func open(t testing.TB) int {
	list, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(list)
}

// A folder that is moved out of the root, and a link that changes between a
// folder and a way out, must never lead outside.
func TestResolve_isSafeAgainstChangesOnTheWay(t *testing.T) {
	r, outside := plant(t)
	root := filepath.Join(filepath.Dir(outside), "root")
	stop := make(chan struct{})
	var group sync.WaitGroup
	churn := func(f func()) {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					f()
				}
			}
		})
	}
	inside, away := filepath.Join(root, "a", "b", "c"), filepath.Join(outside, "c")
	churn(func() { _ = os.Rename(inside, away); _ = os.Rename(away, inside) })
	swap, folder := filepath.Join(root, "swap"), filepath.Join(root, "folder")
	must(t, os.Mkdir(folder, 0o755))
	churn(func() {
		_ = os.Symlink(outside, swap)
		_ = os.Remove(swap)
		_ = os.Rename(folder, swap)
		_ = os.Rename(swap, folder)
	})
	for range 3000 {
		for _, path := range []string{"a/b/c/../../../secret", "a/b/c/../secret", "swap/secret", "swap/../secret"} {
			fd, err := r.OpenFile(path, unix.O_RDONLY, 0)
			if err != nil {
				continue
			}
			if got := text(t, fd); got != "inside" {
				t.Fatalf("%q led outside: %q", path, got)
			}
		}
	}
	close(stop)
	group.Wait()
}

// FuzzResolve looks for a path that leads outside.
func FuzzResolve(f *testing.F) {
	for _, s := range []string{"a/b/top/../outside/secret", "real", "up/../..", "magic/../x", "chain/..", "\xff/../.."} {
		f.Add(s)
	}
	r, outside := plant(f)
	var secret, top unix.Stat_t
	must(f, unix.Stat(outside, &secret))
	must(f, unix.Stat(filepath.Dir(outside), &top))
	f.Fuzz(func(t *testing.T, path string) {
		if strings.Contains(path, "\x00") {
			return
		}
		p, err := r.Resolve(path, true)
		if err != nil {
			return
		}
		defer p.Close()
		var st unix.Stat_t
		must(t, unix.Fstat(p.Dir, &st))
		if st.Ino == secret.Ino || st.Ino == top.Ino {
			t.Fatalf("%q leads outside", path)
		}
		if p.Name == ".." || strings.Contains(p.Name, "/") {
			t.Fatalf("%q ends in %q", path, p.Name)
		}
	})
}
