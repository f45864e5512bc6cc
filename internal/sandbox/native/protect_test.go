package native_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/native"
)

// project is a folder with protected paths in it.
func project(t *testing.T) string {
	dir := tree(t, map[string]string{
		".git/hooks/pre-commit": "old", ".git/config": "old", ".git/HEAD": "old", "src/main.c": "old", "sub/.envrc": "old",
	})
	for _, uid := range owners()[:1] {
		own(t, dir, uid)
	}
	return dir
}

// tries are ways to change what is protected; each says whether it worked.
const tries = `
try() { if eval "$2" 2>/dev/null; then echo "$1 worked"; fi; }
try write "echo evil > .git/config"
try append "echo evil >> .git/hooks/pre-commit"
try remove "rm -f .git/config"
try "make beside" "echo evil > .git/hooks/post-checkout"
try replace "echo evil > x && mv -f x .git/config"
try "rename it" "mv .git/hooks .git/h"
try "rename the folder above" "mv .git .g"
try "rename a folder above at depth" "mv sub s"
try chmod "chmod 777 .git/hooks/pre-commit"
try "write at depth" "echo evil > sub/.envrc"
try "link it" "ln .git/config linked && echo evil > linked"
try "clear it" "truncate -s 0 .git/config"
`

func TestRun_pinsProtectedPathsOfAWriteGrant(t *testing.T) {
	each(t, func(t *testing.T, m *sandbox.Manager) {
		dir := project(t)
		req := sh("cd " + dir + " && echo new > src/main.c && echo new > .git/HEAD && echo new > sub/new && mv src src2 &&" + tries)
		req.Policy.Filesystem.Write = []string{dir}
		res := run(t, m, req, sandbox.IO{})
		if string(res.Stdout) != "" {
			t.Errorf("stdout = %q (stderr %q)", res.Stdout, res.Stderr)
		}
		for name, want := range map[string]string{".git/config": "old", ".git/hooks/pre-commit": "old", "sub/.envrc": "old", ".git/HEAD": "new\n", "src2/main.c": "new\n", "sub/new": "new\n"} {
			if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
				t.Errorf("%s = %q, %v, want %q", name, got, err, want)
			}
		}
		if len(lost(res)) > 0 {
			t.Errorf("missing = %q", lost(res))
		}
		if !strings.Contains(fmt.Sprint(res.Report.Steps), "3 in "+dir+" are read-only") {
			t.Errorf("steps = %+v", res.Report.Steps)
		}
	})
}

// Without the pins the same tries work: so it is the pins that stop them.
func TestRun_withoutPinsProtectedPathsAreLost(t *testing.T) {
	dir := project(t)
	m := sandbox.New(native.New(native.Options{LeaseDir: leaseDir(t), Drop: []string{"protected paths"}}))
	req := sh("cd " + dir + " && " + tries)
	req.Policy.Filesystem.Write = []string{dir}
	res := run(t, m, req, sandbox.IO{})
	if got := strings.Count(string(res.Stdout), " worked\n"); got < 7 {
		t.Errorf("stdout = %q, want most tries to work", res.Stdout)
	}
	if len(lost(res)) == 0 {
		t.Error("the changes were not told")
	}
}

func TestRun_pinsProtectedPathsOfAProject(t *testing.T) {
	for range 3 { // a sandbox of a user that had some before starts from a template
		each(t, func(t *testing.T, m *sandbox.Manager) {
			for range 2 {
				dir := project(t)
				req := sh(tries)
				req.Workspace, req.Guard = dir, true
				if res := run(t, m, req, sandbox.IO{}); string(res.Stdout) != "" {
					t.Errorf("stdout = %q", res.Stdout)
				}
			}
		})
	}
}

func TestRun_leavesAWorkFolderOfItsOwnAlone(t *testing.T) {
	dir := project(t)
	req := sh("echo new > .git/config && cat .git/config")
	req.Workspace = dir
	res := run(t, manager(t), req, sandbox.IO{})
	if string(res.Stdout) != "new\n" || len(lost(res)) > 0 {
		t.Errorf("stdout = %q, missing = %q", res.Stdout, lost(res))
	}
}

func TestRun_tellsWhatCameIntoBeing(t *testing.T) {
	each(t, func(t *testing.T, m *sandbox.Manager) {
		dir := tree(t, map[string]string{"f": "x"})
		req := sh("cd " + dir + " && mkdir -p a/.git/hooks && echo evil > a/.git/hooks/pre-commit && echo evil > .envrc && echo fine > g")
		req.Policy.Filesystem.Write = []string{dir}
		res := run(t, m, req, sandbox.IO{})
		want := fmt.Sprintf("[protected paths: %[1]s/.envrc was made while it ran protected paths: %[1]s/a/.git/hooks was made while it ran protected paths: %[1]s/a/.git/hooks/pre-commit was made while it ran]", dir)
		if got := fmt.Sprint(lost(res)); got != want {
			t.Errorf("missing = %s\nwant %s", got, want)
		}
	})
}

// A program of the host that saves a file by renaming another one over it
// takes the pin away. The sandbox can then write, and it is told.
func TestRun_tellsWhatTheHostDetached(t *testing.T) {
	dir := project(t)
	at := filepath.Join(dir, ".git/config")
	req := sh("cd " + dir + ` && touch ready && for i in $(seq 200); do [ -e done ] && break; sleep 0.05; done; echo evil > .git/config && echo wrote`)
	req.Policy.Filesystem.Write = []string{dir}
	go func() {
		for range 200 {
			if _, err := os.Stat(filepath.Join(dir, "ready")); err == nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		_ = os.WriteFile(at+".lock", []byte("saved"), 0o666)
		_ = os.Chmod(at+".lock", 0o666)
		_ = os.Rename(at+".lock", at)
		_ = os.WriteFile(filepath.Join(dir, "done"), nil, 0o644)
	}()
	res := run(t, manager(t), req, sandbox.IO{})
	if got := fmt.Sprint(lost(res)); !strings.Contains(got, at+" was changed while it ran") {
		t.Errorf("missing = %s (stdout %q)", got, res.Stdout)
	}
}

func TestRun_letsGoOfProtectedPathsThatAreGranted(t *testing.T) {
	each(t, func(t *testing.T, m *sandbox.Manager) {
		dir := project(t)
		req := sh("cd " + dir + " && echo new > .git/config && cat .git/config; echo evil > .git/hooks/pre-commit || true")
		req.Policy.Filesystem.Write = []string{dir, filepath.Join(dir, ".git/config")}
		res := run(t, m, req, sandbox.IO{})
		if string(res.Stdout) != "new\n" {
			t.Errorf("stdout = %q (stderr %q)", res.Stdout, res.Stderr)
		}
		if got, _ := os.ReadFile(filepath.Join(dir, ".git/hooks/pre-commit")); string(got) != "old" {
			t.Errorf("hook = %q", got)
		}
	})
}

func TestRun_pinsWhatThePolicyAdds(t *testing.T) {
	dir := tree(t, map[string]string{"Makefile": "old", "d/makefile": "old", "x": "old"})
	req := sh("cd " + dir + "; for f in Makefile d/makefile x; do echo new > $f; done 2>/dev/null; cat Makefile d/makefile x")
	req.Policy.Filesystem.Write, req.Policy.Filesystem.Protect = []string{dir}, []string{"makefile"}
	if res := run(t, manager(t), req, sandbox.IO{}); string(res.Stdout) != "oldoldnew\n" {
		t.Errorf("stdout = %q (stderr %q)", res.Stdout, res.Stderr)
	}
}

func TestRun_refusesToProtectALinkThatThePolicyNames(t *testing.T) {
	dir := tree(t, map[string]string{"real": "x"})
	must(t, os.Symlink("real", filepath.Join(dir, "linked")))
	must(t, os.Symlink("real", filepath.Join(dir, ".envrc")))
	req := sh("true")
	req.Policy.Filesystem.Write = []string{dir}
	res := run(t, manager(t), req, sandbox.IO{})
	if got := fmt.Sprint(lost(res)); !strings.Contains(got, ".envrc: it is a symbolic link") {
		t.Errorf("missing = %s", got)
	}
	req.Policy.Filesystem.Protect = []string{"linked"}
	if _, err := manager(t).Run(t.Context(), req, sandbox.IO{}); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("Run = %v, want it refused", err)
	}
}

func TestRun_tellsWhenThereIsNoRoomForPins(t *testing.T) {
	files := map[string]string{}
	for i := range 200 {
		files[fmt.Sprintf("d%d/.envrc", i)] = "old"
	}
	dir := tree(t, files)
	req := sh("true")
	req.Policy.Filesystem.Write = []string{dir}
	res := run(t, manager(t), req, sandbox.IO{})
	told := lost(res)
	if n := len(told); n != 6 || !strings.HasSuffix(told[5], "and 67 more that cannot be pinned") || !unenforced(res.Report, "protected paths") {
		t.Errorf("missing %d: %q", n, told)
	}
}

func TestRun_stopsWhenAPinnedPathIsSwappedForALink(t *testing.T) {
	dir := project(t)
	l := native.New(native.Options{LeaseDir: leaseDir(t)})
	req := sh("true")
	req.Policy.Filesystem.Write = []string{dir}
	pl, err := l.Plan(t.Context(), req)
	must(t, err)
	defer pl.Close()
	must(t, os.Rename(filepath.Join(dir, ".git"), filepath.Join(dir, "moved")))
	must(t, os.Symlink("moved", filepath.Join(dir, ".git")))
	_, err = pl.Start(t.Context(), pipes(t))
	if fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), "protected paths: ") {
		t.Errorf("Start = %v, want a refusal that names the step", err)
	}
}

// pipes are stdin, stdout and stderr that lead nowhere.
func pipes(t *testing.T) (all [3]*os.File) {
	t.Helper()
	for i := range all {
		r, w, err := os.Pipe()
		must(t, err)
		t.Cleanup(func() { r.Close(); w.Close() })
		if all[i] = w; i == 0 {
			all[i] = r
		}
	}
	return all
}

func TestRun_ofAnOverlayProtectsByItself(t *testing.T) {
	dir := project(t)
	before := listing(t, dir)
	req := sh("echo new > .git/config && mv .git .g && mkdir .git && echo x > .envrc && cat .g/config")
	req.Workspace, req.Overlays, req.Guard = dir, []sandbox.Overlay{layer(t, dir)}, true
	res := run(t, manager(t), req, sandbox.IO{})
	if string(res.Stdout) != "new\n" || len(lost(res)) > 0 {
		t.Errorf("stdout = %q, missing = %q (stderr %q)", res.Stdout, lost(res), res.Stderr)
	}
	if after := listing(t, dir); after != before {
		t.Errorf("the folder itself changed:\n%s", after)
	}
}

// lost is what a report says of protected paths.
func lost(res sandbox.Result) (all []string) {
	for _, m := range res.Report.Missing {
		if strings.HasPrefix(m, "protected paths: ") {
			all = append(all, m)
		}
	}
	return all
}
