package native_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
)

// overlayTools work on a project over an overlay. The project has a git
// repository, folders with files in them, and a Makefile.
var overlayTools = []tool{
	{name: "git commits, branches and merges", needs: "git", script: `
export GIT_AUTHOR_NAME=n GIT_AUTHOR_EMAIL=e GIT_COMMITTER_NAME=n GIT_COMMITTER_EMAIL=e
git status --porcelain && git checkout -q -b side && echo more >> src/a.c && git add -A && git commit -qm side &&
git checkout -q - && git merge -q side && git gc -q && git log --format=%s && git fsck 2>&1 | grep -v dangling`, want: "side\nfirst\n"},
	{name: "a folder is renamed with what is in it", needs: "", script: "mv src moved && ls moved && cat moved/a.c && mv moved src && rm -rf src && mkdir src && ls src", want: "a.c\nb.c\nint a;\n"},
	{name: "tar packs and unpacks", needs: "tar", script: "tar -cf t.tar src && rm -rf src && tar -xf t.tar && cat src/b.c", want: "int b;\n"},
	{name: "make", needs: "make", script: "make -s", want: "built\n"},
	{name: "sqlite with a write-ahead log", needs: "/usr/bin/python3", script: python(`
import sqlite3
db = sqlite3.connect('x.db'); print(db.execute('pragma journal_mode=wal').fetchone()[0])
db.execute('create table t (v)'); db.execute('insert into t values (42)'); db.commit()
print(sqlite3.connect('x.db').execute('select v from t').fetchone()[0])`), want: "wal\n42\n"},
	{name: "locks, links and holes", needs: "/usr/bin/python3", script: python(`
import fcntl, os, mmap
f = open('src/a.c', 'r+'); fcntl.flock(f, fcntl.LOCK_EX)
m = mmap.mmap(f.fileno(), 0); m[0:3] = b'INT'; m.flush(); print(open('src/a.c').read().strip())
os.link('src/a.c', 'hard'); print(os.stat('hard').st_nlink)
os.symlink('src/a.c', 'soft'); print(os.readlink('soft'))
os.truncate('src/b.c', 1 << 20); print(os.path.getsize('src/b.c'))
os.replace('hard', 'src/b.c'); print(open('src/b.c').read().strip())`), want: "INT a;\n2\nsrc/a.c\n1048576\nINT a;\n"},
	{name: "find sees each file once", needs: "find", script: "touch src/c.c && rm src/a.c && find src -type f | sort", want: "src/b.c\nsrc/c.c\n"},
}

func TestTools_workOverAnOverlay(t *testing.T) {
	dir := tree(t, map[string]string{"src/a.c": "int a;\n", "src/b.c": "int b;\n", "Makefile": "all:\n\t@echo built > out && cat out\n"})
	if _, err := exec.LookPath("git"); err == nil {
		cmd := exec.Command("sh", "-ec", "git init -q && git add -A && git -c user.name=n -c user.email=e commit -qm first")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+t.TempDir())
		out, err := cmd.CombinedOutput()
		kerneltest.Need(t, "git", err == nil, string(out))
	}
	before := listing(t, dir)
	for _, tt := range overlayTools {
		t.Run(tt.name, func(t *testing.T) {
			for _, p := range strings.Fields(tt.needs) {
				_, err := exec.LookPath(p)
				kerneltest.Need(t, filepath.Base(p), err == nil, "not installed")
			}
			req := sh(tt.script)
			req.Workspace, req.Overlays = dir, []sandbox.Overlay{layer(t, dir)}
			res := run(t, manager(t), req, sandbox.IO{})
			if !regexp.MustCompile("^(?:" + tt.want + ")$").Match(res.Stdout) {
				t.Errorf("stdout = %q, want %q (exit %d, stderr %q)", res.Stdout, tt.want, res.ExitCode, res.Stderr)
			}
		})
	}
	if after := listing(t, dir); after != before {
		t.Errorf("the folder itself changed:\n%s", after)
	}
}
