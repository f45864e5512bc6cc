package workspace

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
)

// commits are what a layer holds, and what the host has after a commit.
var commits = []struct {
	name string
	host files
	make func(*bench)
	want string // the host
	held string
}{
	{"files and folders", files{"a": "1", "d/x": "1"}, func(b *bench) { b.write(files{"a": "2", "d/y": "3", "n/m/z": "4"}) }, "a = 2\nd/\nd/x = 1\nd/y = 3\nn/\nn/m/\nn/m/z = 4\n", ""},
	{"removals", files{"a": "1", "d/x": "1", "d/e/y": "2", "k": "k"}, func(b *bench) { b.whiteout("a"); b.whiteout("d") }, "k = k\n", ""},
	{"a folder made anew", files{"d/a": "1", "d/b": "2", "d/s/x": "3"}, func(b *bench) { b.write(files{"d/b": "new"}); b.mark("d", "opaque", "y") }, "d/\nd/b = new\n", ""},
	{"a file in the place of a folder", files{"d/a": "1", "d/e/f": "2"}, func(b *bench) { b.write(files{"d": "x"}) }, "d = x\n", ""},
	{"a folder in the place of a file", files{"d": "x"}, func(b *bench) { b.write(files{"d/a": "1"}) }, "d/\nd/a = 1\n", ""},
	{"a folder in the place of a link to one", files{"d": "-> e", "e/a": "host"}, func(b *bench) { b.write(files{"d/a": "1"}) }, "d/\nd/a = 1\ne/\ne/a = host\n", ""},
	{"a link", files{"a": "1"}, func(b *bench) { b.write(files{"l": "-> a"}) }, "a = 1\nl -> a\n", ""},
	{"a link in the place of a file", files{"a": "1"}, func(b *bench) { b.write(files{"a": "-> b"}) }, "a -> b\n", ""},
	{"a file in the place of a link, which is not written through", files{"a": "-> b", "b": "host"}, func(b *bench) { b.write(files{"a": "1"}) }, "a = 1\nb = host\n", ""},
	{"links that lead out", nil, func(b *bench) { b.write(files{"l": "-> /etc/passwd", "m": "-> ..", "ok": "1"}) }, "ok = 1\n", "l: it is a link that leads out of the folder\nm: it is a link that leads out of the folder\n"},
	{"pipes and sockets", nil, func(b *bench) { must(b.t, unix.Mkfifo(filepath.Join(b.upper, "p"), 0o644)) }, "", "p: it is neither a file nor a folder nor a link\n"},
	{"protected paths", files{".git/HEAD": "h", ".git/config": "old"}, func(b *bench) {
		b.write(files{".git/HEAD": "h2", ".git/config": "evil", ".git/hooks/pre-commit": "evil", "a": "1"})
	}, ".git/\n.git/HEAD = h2\n.git/config = old\na = 1\n", ".git/config: protected: .git/config: git runs what it names\n.git/hooks: protected: .git/hooks: git runs them\n.git/hooks/pre-commit: protected: .git/hooks: git runs them\n"},
	{"protected paths in other spellings", nil, func(b *bench) {
		b.write(files{".GIT/HOOKS/x": "evil", "g\u200c/.Vscode/t": "evil", ".ENVRC": "evil"})
	}, ".GIT/\ng\u200c/\n", ".ENVRC: protected: .envrc: direnv runs it\n.GIT/HOOKS: protected: .git/hooks: git runs them\n.GIT/HOOKS/x: protected: .git/hooks: git runs them\ng\u200c/.Vscode: protected: .vscode: editors run what it names\ng\u200c/.Vscode/t: protected: .vscode: editors run what it names\n"},
	{"the removal of a folder with something protected", files{".git/HEAD": "h", ".git/config": "c"}, func(b *bench) { b.whiteout(".git") }, ".git/\n.git/HEAD = h\n.git/config = c\n", ".git: protected: it holds .git/config: git runs what it names\n"},
	{"git's folder turned into a file", files{".git/HEAD": "h", ".git/config": "c"}, func(b *bench) { b.write(files{".git": "gitdir: /x"}) }, ".git/\n.git/HEAD = h\n.git/config = c\n", ".git: protected: it holds .git/config: git runs what it names\n"},
	{"hard links become files of their own", nil, func(b *bench) {
		b.write(files{"a": "1"})
		must(b.t, os.Link(filepath.Join(b.upper, "a"), filepath.Join(b.upper, "b")))
	}, "a = 1\nb = 1\n", ""},
	{"names that are strange", nil, func(b *bench) { b.write(files{"-rf": "1", "a\nb": "2"}) }, "-rf = 1\na\nb = 2\n", ""},
}

func TestCommit_givesTheHostWhatMayPass(t *testing.T) {
	for _, tt := range commits {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, tt.host)
			tt.make(b)
			out := b.commit(Filter{})
			equal(t, "host", b.host(), tt.want)
			equal(t, "held back", b.held(out), tt.held)
			if left := leftovers(t, b.source); left != "" {
				t.Errorf("left over: %s", left)
			}
		})
	}
}

// leftovers are temporary names of ours.
func leftovers(t *testing.T, dir string) string {
	var all []string
	for line := range strings.Lines(listing(t, dir)) {
		if strings.Contains(line, ".bulkhead-commit-") {
			all = append(all, line)
		}
	}
	return strings.Join(all, "")
}

func TestCommit_beginsAnewWhenNothingIsLeft(t *testing.T) {
	b := newBench(t, files{"a": "1"})
	b.write(files{"a": "2"})
	must(t, b.w.Snapshot())
	b.at()
	b.write(files{"n": "1"})
	old := b.upper
	b.commit(Filter{})
	b.at()
	if b.upper == old || len(b.w.Overlays()[0].Layers) != 0 {
		t.Errorf("overlays = %+v, want a new layer alone", b.w.Overlays())
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("the old layer is still there")
	}
	must(t, os.WriteFile(filepath.Join(b.source, "a"), []byte("host"), 0o644))
	equal(t, "diff", b.told(b.diff()), "")
}

func TestCommit_takesOnlyWhatItIsAskedFor(t *testing.T) {
	b := newBench(t, nil)
	b.write(files{"a": "1", "d/x": "1", "d2/y": "1"})
	b.commit(Filter{Only: []string{filepath.Join(b.source, "d") + "/"}})
	equal(t, "host", b.host(), "d/\nd/x = 1\n")
	equal(t, "diff", b.told(b.diff()), "added file a\nadded folder d2\nadded file d2/y\n")
}

func TestCommit_takesAProtectedPathThatIsNamed(t *testing.T) {
	b := newBench(t, nil)
	b.write(files{".git/hooks/a": "1", ".git/hooks/b": "2", ".envrc": "3"})
	out := b.commit(Filter{Allow: []string{filepath.Join(b.source, ".git/hooks")}})
	equal(t, "host", b.host(), ".git/\n.git/hooks/\n.git/hooks/a = 1\n.git/hooks/b = 2\n")
	equal(t, "held back", b.held(out), ".envrc: protected: .envrc: direnv runs it\n")
}

func TestCommit_keepsWhatThePolicyProtects(t *testing.T) {
	b := newBench(t, nil)
	w, err := b.store.Create(Options{Sources: []string{b.source}, Protect: []string{"Makefile"}})
	must(t, err)
	defer w.Release()
	b.fill(filepath.Join(w.Overlays()[0].Upper, "fs"), files{"makefile": "evil", "x": "1"})
	out, err := w.Commit(t.Context(), Filter{})
	must(t, err)
	equal(t, "host", b.host(), "x = 1\n")
	equal(t, "held back", b.held(out), "makefile: protected: Makefile: the policy says so\n")
}

func TestCommit_dropsBitsAndKeepsPermissions(t *testing.T) {
	b := newBench(t, files{"keep": "1", "d/x": "1"})
	b.write(files{"suid": "1", "keep": "2", "closed/in": "3", "d/": ""})
	for name, mode := range map[string]uint32{"suid": 0o6755, "keep": 0o2640, "closed": 0o1555, "d": 0o3700} {
		must(t, unix.Chmod(filepath.Join(b.upper, name), mode))
	}
	t.Cleanup(func() {
		_ = os.Chmod(filepath.Join(b.upper, "closed"), 0o755)
		_ = os.Chmod(filepath.Join(b.source, "closed"), 0o755)
	})
	if out := b.commit(Filter{}); len(out.Held) > 0 {
		t.Errorf("held back: %s", b.held(out))
	}
	for name, want := range map[string]fs.FileMode{"suid": 0o755, "keep": 0o640, "closed": fs.ModeDir | 0o555, "d": fs.ModeDir | 0o700} {
		info, err := os.Lstat(filepath.Join(b.source, name))
		must(t, err)
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
	equal(t, "host", b.host(), "closed/\nclosed/in = 3\nd/\nd/x = 1\nkeep = 2\nsuid = 1\n")
}

func TestCommit_givesFilesTheOwnerOfTheFolder(t *testing.T) {
	kerneltest.NeedRoot(t)
	b := newBench(t, files{"theirs": "1", "mine": "1"})
	must(t, os.Chown(b.source, 1234, 2345))
	must(t, os.Chown(filepath.Join(b.source, "theirs"), 33, 44))
	b.write(files{"theirs": "2", "d/new": "1", "l": "-> d"})
	b.commit(Filter{})
	for name, want := range map[string][2]uint32{"theirs": {33, 44}, "d": {1234, 2345}, "d/new": {1234, 2345}, "l": {1234, 2345}} {
		info, err := os.Lstat(filepath.Join(b.source, name))
		must(t, err)
		st := info.Sys().(*syscall.Stat_t)
		if got := [2]uint32{st.Uid, st.Gid}; got != want {
			t.Errorf("owner of %s = %v, want %v", name, got, want)
		}
	}
}

func TestCommit_holdsBackWhatChangedOnTheHost(t *testing.T) {
	b := newBench(t, files{"both": "0", "gone": "0", "d/x": "0", "mine": "0"})
	time.Sleep(20 * time.Millisecond) // the kernel's clock of files is coarse
	b.write(files{"both": "sandbox", "new": "sandbox", "mine": "sandbox"})
	b.whiteout("gone")
	b.whiteout("d")
	b.fill(b.source, files{"both": "host", "gone": "host", "new": "host", "d/later": "host"})
	out := b.commit(Filter{})
	equal(t, "host", b.host(), "both = host\nd/\nd/later = host\nd/x = 0\ngone = host\nmine = sandbox\nnew = host\n")
	const why = "it changed on the host since the workspace began"
	equal(t, "held back", b.held(out), "both: "+why+"\nd: "+why+"\ngone: "+why+"\nnew: "+why+"\n")

	out = b.commit(Filter{Force: true})
	equal(t, "held back by force", b.held(out), "")
	equal(t, "host", b.host(), "both = sandbox\nmine = sandbox\nnew = sandbox\n")
}

func TestCommit_doesNotTakeItselfForTheHost(t *testing.T) {
	b := newBench(t, files{"a": "0", "d/x": "0"})
	b.write(files{"a": "1", "d/x": "1", ".envrc": "held back, so the workspace goes on"})
	b.commit(Filter{})
	time.Sleep(20 * time.Millisecond)
	b.write(files{"a": "2"})
	must(t, os.RemoveAll(filepath.Join(b.upper, "d")))
	b.whiteout("d")
	out := b.commit(Filter{})
	equal(t, "host", b.host(), "a = 2\n")
	equal(t, "held back", b.held(out), ".envrc: protected: .envrc: direnv runs it\n")
}

func TestCommit_worksOnHardLinksOfTheHost(t *testing.T) {
	b := newBench(t, files{"a": "0", "other": "0"})
	must(t, os.Link(filepath.Join(b.source, "a"), filepath.Join(b.source, "b")))
	w, err := b.store.Create(Options{Sources: []string{b.source}})
	must(t, err)
	defer w.Release()
	b.fill(filepath.Join(w.Overlays()[0].Upper, "fs"), files{"a": "1", "b": "2"})
	out, err := w.Commit(t.Context(), Filter{})
	must(t, err)
	equal(t, "held back", b.held(out), "")
	equal(t, "host", b.host(), "a = 1\nb = 2\nother = 0\n")
}

func TestCommit_refusesTooMuchBeforeItBegins(t *testing.T) {
	b := newBench(t, nil)
	b.write(files{"a": "small"})
	must(t, os.WriteFile(filepath.Join(b.upper, "huge"), nil, 0o644))
	must(t, os.Truncate(filepath.Join(b.upper, "huge"), 1<<40)) // a terabyte of nothing
	if _, err := b.w.Commit(t.Context(), Filter{}); fault.KindOf(err) != fault.Exhausted {
		t.Errorf("Commit = %v, want it exhausted", err)
	}
	equal(t, "host", b.host(), "")
}

func TestCommit_keepsHoles(t *testing.T) {
	b := newBench(t, nil)
	at := filepath.Join(b.upper, "sparse")
	must(t, os.WriteFile(at, []byte("begin"), 0o644))
	f, err := os.OpenFile(at, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt([]byte("middle"), 100<<20)
	must(t, err)
	must(t, f.Truncate(1<<30))
	must(t, f.Close())
	b.commit(Filter{})
	info, err := os.Stat(filepath.Join(b.source, "sparse"))
	must(t, err)
	if blocks := info.Sys().(*syscall.Stat_t).Blocks; info.Size() != 1<<30 || blocks*512 > 1<<20 {
		t.Errorf("size %d in %d blocks", info.Size(), blocks)
	}
	f, err = os.Open(filepath.Join(b.source, "sparse"))
	must(t, err)
	defer f.Close()
	middle := make([]byte, 6)
	_, err = f.ReadAt(middle, 100<<20)
	must(t, err)
	equal(t, "middle", string(middle), "middle")
}

func TestCommit_endsWithItsContext(t *testing.T) {
	b := newBench(t, nil)
	b.write(files{"a": "1"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.w.Commit(ctx, Filter{}); fault.KindOf(err) != fault.Cancelled {
		t.Errorf("Commit = %v, want it cancelled", err)
	}
	equal(t, "host", b.host(), "")
}

// swaps are what a hostile host user, or a sandbox that still lives, does while
// a commit is under way.
var swaps = map[string]func(b *bench, outside string){
	"a folder of the host becomes a link": func(b *bench, outside string) {
		_ = os.Rename(filepath.Join(b.source, "d"), filepath.Join(b.source, "d2"))
		_ = os.Symlink(outside, filepath.Join(b.source, "d"))
		_ = os.Remove(filepath.Join(b.source, "d"))
		_ = os.Rename(filepath.Join(b.source, "d2"), filepath.Join(b.source, "d"))
	},
	"a file of the host becomes a link": func(b *bench, outside string) {
		at := filepath.Join(b.source, "d", "f0")
		_ = os.Remove(at)
		_ = os.Symlink(filepath.Join(outside, "victim"), at)
		_ = os.Remove(at)
	},
	"a file of the layer becomes a link": func(b *bench, outside string) {
		at := filepath.Join(b.upper, "d", "f1")
		_ = os.Remove(at)
		_ = os.Symlink(filepath.Join(outside, "secret"), at)
		_ = os.Remove(at)
		_ = os.WriteFile(at, []byte("1"), 0o644)
	},
	"a folder of the layer becomes a link": func(b *bench, outside string) {
		_ = os.Rename(filepath.Join(b.upper, "d"), filepath.Join(b.upper, "d2"))
		_ = os.Symlink(outside, filepath.Join(b.upper, "d"))
		_ = os.Remove(filepath.Join(b.upper, "d"))
		_ = os.Rename(filepath.Join(b.upper, "d2"), filepath.Join(b.upper, "d"))
	},
	"a file of the layer becomes a pipe": func(b *bench, _ string) {
		at := filepath.Join(b.upper, "d", "f1")
		_ = os.Remove(at)
		_ = unix.Mkfifo(at, 0o644)
		_ = os.Remove(at)
		_ = os.WriteFile(at, []byte("1"), 0o644)
	},
}

// again writes to a layer, without following what the swapper puts there.
func again(t *testing.T, upper string, text []byte) {
	root, err := os.OpenRoot(upper)
	must(t, err)
	defer root.Close()
	_ = root.Mkdir("d", 0o755)
	_ = root.WriteFile("d/f0", text, 0o644)
	_ = root.WriteFile("d/f2", text, 0o644)
}

func TestCommit_neverLeavesTheFolderWhateverIsSwapped(t *testing.T) {
	for name, swap := range swaps {
		t.Run(name, func(t *testing.T) {
			outside := t.TempDir()
			must(t, os.WriteFile(filepath.Join(outside, "victim"), []byte("untouched"), 0o644))
			must(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("hush"), 0o600))
			before := listing(t, outside)

			b := newBench(t, files{"d/f0": "0", "d/f1": "0"})
			b.write(files{"d/f0": "1", "d/f1": "1", "d/f2": "1"})
			stop := make(chan struct{})
			var swapper sync.WaitGroup
			swapper.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						swap(b, outside)
					}
				}
			})
			for i := range 20 {
				_, _ = b.w.Commit(t.Context(), Filter{Force: true, Only: []string{filepath.Join(b.source, "d")}})
				again(t, b.upper, fmt.Append(nil, i))
			}
			close(stop)
			swapper.Wait()
			equal(t, "outside", listing(t, outside), before)
			if text := b.host(); strings.Contains(text, "hush") {
				t.Errorf("the host folder has the secret:\n%s", text)
			}
		})
	}
}
