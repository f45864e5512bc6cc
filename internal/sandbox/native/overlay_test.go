package native_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/native"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// layer makes an upper layer beside nothing else.
func layer(t *testing.T, source string) sandbox.Overlay {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"fs", "work"} {
		must(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, "work", "work"), 0o700) }) // the kernel's own folder has mode 0
	info, err := os.Stat(source)
	must(t, err)
	st := info.Sys().(*syscall.Stat_t)
	must(t, os.Chown(filepath.Join(dir, "fs"), int(st.Uid), int(st.Gid)))
	return sandbox.Overlay{Source: source, Upper: dir}
}

// tree makes a folder with files in it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		must(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return dir
}

// listing is every file of a folder with its text, one a line.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		if !d.Type().IsRegular() {
			fmt.Fprintf(&b, "%s %s\n", rel, d.Type())
			return nil
		}
		text, err := os.ReadFile(name)
		fmt.Fprintf(&b, "%s %q\n", rel, text)
		return err
	}))
	return b.String()
}

// owners are both kinds of owner that a granted folder can have: the caller,
// and for root somebody else.
func owners() []int {
	if os.Getuid() == 0 {
		return []int{0, 1234}
	}
	return []int{os.Getuid()}
}

func own(t *testing.T, dir string, uid int) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		gid := uid
		if uid == os.Getuid() {
			gid = os.Getgid() // a user's group need not have the user's number
		}
		return os.Chown(name, uid, gid)
	}))
}

func TestRun_writesToTheUpperLayerAlone(t *testing.T) {
	for _, uid := range owners() {
		each(t, func(t *testing.T, m *sandbox.Manager) {
			dir := tree(t, map[string]string{"keep": "k", "change": "old", "gone": "g", "d/in": "i", "d/x": "x"})
			own(t, dir, uid)
			before := listing(t, dir)

			req := sh("echo new > change; rm gone; echo a > added; rm -r d; mkdir d; echo again > d/in; mv keep kept; chmod 700 added; cat change; ls d; id -u | grep -qx 0 || stat -c %U .")
			req.Workspace, req.Overlays = dir, []sandbox.Overlay{layer(t, dir)}
			res := run(t, m, req, sandbox.IO{})
			if want := "new\nin\nsandbox\n"; string(res.Stdout) != want || res.ExitCode != 0 {
				t.Errorf("stdout = %q, want %q (exit %d, stderr %q)", res.Stdout, want, res.ExitCode, res.Stderr)
			}
			if after := listing(t, dir); after != before {
				t.Errorf("the folder itself changed:\n%s\nwant\n%s", after, before)
			}
			want := "added \"a\\n\"\nchange \"new\\n\"\nd d---------\nd/in \"again\\n\"\ngone Dc---------\nkeep Dc---------\nkept \"k\"\n"
			if got := listing(t, filepath.Join(req.Overlays[0].Upper, "fs")); got != want {
				t.Errorf("upper layer:\n%s\nwant\n%s", got, want)
			}
			if !strings.Contains(fmt.Sprint(res.Report.Steps), "in an overlay; "+dir+" itself is never written") {
				t.Errorf("report does not tell of the overlay: %+v", res.Report.Steps)
			}
		})
	}
}

func TestRun_ofAnOverlayBelongsToTheFoldersOwner(t *testing.T) {
	for _, uid := range owners() {
		each(t, func(t *testing.T, m *sandbox.Manager) {
			dir := tree(t, map[string]string{"change": "old"})
			own(t, dir, uid)
			req := sh("echo new > change; echo a > added; mkdir folder")
			req.Workspace, req.Overlays = dir, []sandbox.Overlay{layer(t, dir)}
			run(t, m, req, sandbox.IO{})
			for _, name := range []string{"change", "added", "folder"} {
				info, err := os.Stat(filepath.Join(req.Overlays[0].Upper, "fs", name))
				must(t, err)
				if got := int(info.Sys().(*syscall.Stat_t).Uid); got != uid {
					t.Errorf("owner of %s = %d, want %d", name, got, uid)
				}
			}
		})
	}
}

func TestRun_seesLayersAboveEachOther(t *testing.T) {
	each(t, func(t *testing.T, m *sandbox.Manager) {
		dir := tree(t, map[string]string{"a": "0", "b": "0", "c": "0"})
		first := sh("echo 1 > a; rm b")
		first.Workspace, first.Overlays = dir, []sandbox.Overlay{layer(t, dir)}
		run(t, m, first, sandbox.IO{})

		frozen := filepath.Join(first.Overlays[0].Upper, "fs")
		second := sh("cat a c; ls; echo 2 > a")
		second.Workspace, second.Overlays = dir, []sandbox.Overlay{layer(t, dir)}
		second.Overlays[0].Layers = []string{frozen}
		before := listing(t, frozen)
		res := run(t, m, second, sandbox.IO{})
		if want := "1\n0a\nc\n"; string(res.Stdout) != want {
			t.Errorf("stdout = %q, want %q (stderr %q)", res.Stdout, want, res.Stderr)
		}
		if after := listing(t, frozen); after != before {
			t.Errorf("the frozen layer changed:\n%s", after)
		}
	})
}

func TestRun_showsGrantsOfThePolicyThroughOverlays(t *testing.T) {
	each(t, func(t *testing.T, m *sandbox.Manager) {
		dir := tree(t, map[string]string{"sub/f": "old", "ro/f": "r"})
		before := listing(t, dir)
		alias := filepath.Join(t.TempDir(), "alias")
		must(t, os.Symlink(dir, alias))

		req := sh(fmt.Sprintf("echo new > %[1]s/sub/f; cat %[2]s/sub/f; touch %[1]s/ro/x 2>/dev/null || echo refused; cat %[1]s/ro/f", dir, alias))
		req.Policy.Filesystem.Write = []string{alias, filepath.Join(dir, "sub")}
		req.Policy.Filesystem.Read = []string{filepath.Join(dir, "ro")}
		req.Overlays = []sandbox.Overlay{layer(t, dir)}
		res := run(t, m, req, sandbox.IO{})
		if want := "new\nrefused\nr"; string(res.Stdout) != want {
			t.Errorf("stdout = %q, want %q (stderr %q)", res.Stdout, want, res.Stderr)
		}
		if after := listing(t, dir); after != before {
			t.Errorf("the folder itself changed:\n%s", after)
		}
	})
}

func TestRun_refusesOverlaysThatWouldNotHold(t *testing.T) {
	m := manager(t)
	dir := tree(t, map[string]string{"sub/f": "x"})
	for name, change := range map[string]func(*sandbox.Request){
		"not granted":             func(r *sandbox.Request) { r.Policy.Filesystem.Write = nil },
		"granted for reading":     func(r *sandbox.Request) { r.Policy.Filesystem = filesystemRead(dir) },
		"an outer folder as well": func(r *sandbox.Request) { r.Overlays[0].Source = filepath.Join(dir, "sub") },
		"a file": func(r *sandbox.Request) {
			r.Policy.Filesystem.Write, r.Overlays[0].Source = []string{filepath.Join(dir, "sub/f")}, filepath.Join(dir, "sub/f")
		},
		"too many layers": func(r *sandbox.Request) { r.Overlays[0].Layers = make([]string, 16) },
	} {
		t.Run(name, func(t *testing.T) {
			req := sh("true")
			req.Policy.Filesystem.Write = []string{dir, filepath.Join(dir, "sub")}
			req.Overlays = []sandbox.Overlay{layer(t, dir)}
			change(&req)
			if _, err := m.Run(t.Context(), req, sandbox.IO{}); fault.KindOf(err) != fault.Invalid {
				t.Errorf("Run = %v, want it refused as invalid", err)
			}
		})
	}
}

func TestRun_namesTheStepWhenAnOverlayCannotBeMounted(t *testing.T) {
	dir := tree(t, map[string]string{"f": "x"})
	req := sh("true")
	req.Workspace, req.Overlays = dir, []sandbox.Overlay{layer(t, dir)}
	must(t, os.RemoveAll(filepath.Join(req.Overlays[0].Upper, "work")))
	_, err := manager(t).Run(t.Context(), req, sandbox.IO{})
	if fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), "grants: mount(") {
		t.Errorf("Run = %v, want a refusal that names the step", err)
	}
}

// What is hidden of the host stays hidden: neither the layers nor their paths
// can be seen inside.
func TestRun_hidesTheLayers(t *testing.T) {
	each(t, func(t *testing.T, m *sandbox.Manager) {
		dir := tree(t, map[string]string{"f": "x"})
		req := sh("cat /proc/self/mountinfo; ls -R /.bulkhead 2>/dev/null; true")
		req.Workspace, req.Overlays = dir, []sandbox.Overlay{layer(t, dir)}
		res := run(t, m, req, sandbox.IO{})
		for _, secret := range []string{dir, req.Overlays[0].Upper, filepath.Base(req.Overlays[0].Upper)} {
			if strings.Contains(string(res.Stdout), secret) {
				t.Errorf("the sandbox sees %s:\n%s", secret, res.Stdout)
			}
		}
	})
}

// Marks of the overlay file system that are made inside are plain names.
func TestRun_forgesNoMarksOfAnOverlay(t *testing.T) {
	each(t, func(t *testing.T, m *sandbox.Manager) {
		dir := tree(t, map[string]string{"d/f": "x", "e/f": "y"})
		req := sh(`python3 -c '
import os
for name in ("trusted.overlay.opaque", "user.overlay.opaque", "trusted.overlay.redirect", "user.overlay.redirect", "user.overlay.whiteout"):
    try: os.setxattr("d", name, b"/e" if "redirect" in name else b"y")
    except OSError: pass
try: os.mknod("white", 0o20000, 0)
except OSError: print("no whiteout")
'; ls d`)
		req.Workspace, req.Overlays = dir, []sandbox.Overlay{layer(t, dir)}
		res := run(t, m, req, sandbox.IO{})
		if !strings.HasPrefix(string(res.Stdout), "no whiteout\n") {
			t.Errorf("stdout = %q (stderr %q)", res.Stdout, res.Stderr)
		}
		marks := "trusted.overlay."
		if os.Getuid() != 0 {
			marks = "user.overlay."
		}
		upper := filepath.Join(req.Overlays[0].Upper, "fs", "d")
		for _, name := range []string{"redirect", "opaque", "whiteout"} {
			if n, err := syscall.Getxattr(upper, marks+name, make([]byte, 64)); err == nil {
				t.Errorf("%s was planted: %d bytes", marks+name, n)
			}
		}
	})
}

func manager(t *testing.T) *sandbox.Manager {
	return sandbox.New(native.New(native.Options{LeaseDir: leaseDir(t)}))
}

func filesystemRead(dir string) policy.Filesystem { return policy.Filesystem{Read: []string{dir}} }
