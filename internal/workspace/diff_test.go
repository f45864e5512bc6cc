package workspace

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
)

// looks are what a layer holds and what Diff says of it.
var looks = []struct {
	name string
	host files
	make func(*bench)
	want string
}{
	{"nothing", files{"a": "1"}, func(*bench) {}, ""},
	{"an added file", nil, func(b *bench) { b.write(files{"d/new": "x"}) }, "added folder d\nadded file d/new\n"},
	{"a changed file", files{"a": "1"}, func(b *bench) { b.write(files{"a": "2"}) }, "changed file a\n"},
	{"a file of another size", files{"a": "1"}, func(b *bench) { b.write(files{"a": "22"}) }, "changed file a\n"},
	{"a file that was only copied up", files{"a": "1"}, func(b *bench) { b.write(files{"a": "1"}) }, ""},
	{"other permissions", files{"a": "1"}, func(b *bench) {
		b.write(files{"a": "1"})
		must(b.t, os.Chmod(filepath.Join(b.upper, "a"), 0o755))
	}, "mode file a\n"},
	{"other permissions of a folder", files{"d/a": "1"}, func(b *bench) {
		b.write(files{"d/": ""})
		must(b.t, os.Chmod(filepath.Join(b.upper, "d"), 0o700))
	}, "mode folder d\n"},
	{"a removed file", files{"a": "1"}, func(b *bench) { b.whiteout("a") }, "removed file a\n"},
	{"a removed folder", files{"d/a": "1", "d/e/b": "2"}, func(b *bench) { b.whiteout("d") }, "removed folder d (3)\n"},
	{"a removal of nothing", nil, func(b *bench) { b.whiteout("a") }, ""},
	{"a rename", files{"a": "1"}, func(b *bench) { b.whiteout("a"); b.write(files{"b": "1"}) }, "removed file a\nadded file b\n"},
	{"a folder made anew", files{"d/a": "1", "d/b": "2", "d/s/x": "3"}, func(b *bench) {
		b.write(files{"d/b": "2", "d/c": "4"})
		b.mark("d", "opaque", "y")
	}, "removed file d/a\nadded file d/c\nremoved folder d/s (1)\n"},
	{"an opaque folder where the host has none", nil, func(b *bench) { b.write(files{"d/a": "1"}); b.mark("d", "opaque", "y") }, "added folder d\nadded file d/a\n"},
	{"a file in the place of a folder", files{"d/a": "1"}, func(b *bench) { b.write(files{"d": "x"}) }, "changed file d was folder (1)\n"},
	{"a folder in the place of a file", files{"d": "x"}, func(b *bench) { b.write(files{"d/a": "1"}) }, "changed folder d was file\nadded file d/a\n"},
	{"a folder in the place of a link", files{"d": "-> e", "e/a": "1"}, func(b *bench) { b.write(files{"d/a": "2"}) }, "changed folder d was link\nadded file d/a\n"},
	{"a link", nil, func(b *bench) { b.write(files{"l": "-> a"}) }, "added link l -> a\n"},
	{"a link that stayed", files{"l": "-> a"}, func(b *bench) { b.write(files{"l": "-> a"}) }, ""},
	{"a link that turned", files{"l": "-> a"}, func(b *bench) { b.write(files{"l": "-> b"}) }, "changed link l -> b\n"},
	{"a link that leads out", nil, func(b *bench) { b.write(files{"l": "-> /etc/passwd", "d/m": "-> ../../x"}) }, "added folder d\nadded link d/m -> ../../x problem\nadded link l -> /etc/passwd problem\n"},
	{"a link to a protected path", nil, func(b *bench) { b.write(files{"d/l": "-> ../.git/hooks"}) }, "added folder d\nadded link d/l -> ../.git/hooks protected\n"},
	{"a pipe", nil, func(b *bench) { must(b.t, unix.Mkfifo(filepath.Join(b.upper, "p"), 0o644)) }, "added special p problem\n"},
	{"a pipe in the place of a file", files{"a": "1"}, func(b *bench) { must(b.t, unix.Mkfifo(filepath.Join(b.upper, "a"), 0o644)) }, "changed special a was file problem\n"},
	{"a socket", nil, func(b *bench) { must(b.t, unix.Mknod(filepath.Join(b.upper, "s"), unix.S_IFSOCK|0o644, 0)) }, "added special s problem\n"},
	{"a protected file", nil, func(b *bench) {
		b.write(files{".git/hooks/pre-commit": "x", ".git/HEAD": "ref", ".vscode/tasks.json": "x"})
	}, "added folder .git\nadded file .git/HEAD\nadded folder .git/hooks protected\nadded file .git/hooks/pre-commit protected\nadded folder .vscode protected\nadded file .vscode/tasks.json protected\n"},
	{"a file in the place of git's folder", nil, func(b *bench) { b.write(files{"sub/.git": "gitdir: /tmp/x"}) }, "added folder sub\nadded file sub/.git protected\n"},
	{"a removed folder with something protected", files{".git/config": "x", ".git/HEAD": "y"}, func(b *bench) { b.whiteout(".git") }, "removed folder .git (2) protected\n"},
	{"a bare repository", nil, func(b *bench) {
		b.write(files{"x/HEAD": "ref", "x/objects/": "", "x/refs/": "", "x/config": "[core]", "x/hooks/post-checkout": "sh"})
	}, "added folder x\nadded file x/HEAD\nadded file x/config protected\nadded folder x/hooks protected\nadded file x/hooks/post-checkout protected\nadded folder x/objects\nadded folder x/refs\n"},
	{"a bare repository, half of it the host's", files{"x/HEAD": "ref", "x/objects/": ""}, func(b *bench) { b.write(files{"x/refs/": "", "x/config": "[core]"}) }, "added file x/config protected\nadded folder x/refs\n"},
	{"a configuration of something else", files{"x/HEAD": "ref"}, func(b *bench) { b.write(files{"x/config": "a"}) }, "added file x/config\n"},
	{"a mark that shows another folder", files{"d/a": "1"}, func(b *bench) { b.write(files{"e/": ""}); b.mark("e", "redirect", "/d") }, "changed folder e problem\n"},
	{"a file without its content", nil, func(b *bench) { b.write(files{"a": ""}); b.mark("a", "metacopy", "") }, "changed file a problem\n"},
	{"a marked empty file that is a removal", files{"d/a": "1"}, func(b *bench) {
		b.write(files{"d/a": ""})
		b.mark("d", "opaque", "x")
		b.mark("d/a", "whiteout", "y")
	}, "removed file d/a\n"},
	{"a marked empty file that is none", files{"d/a": "1"}, func(b *bench) { b.write(files{"d/a": ""}); b.mark("d/a", "whiteout", "y") }, "changed file d/a\n"},
	{"a device that is no removal", files{"a": "1"}, func(b *bench) {
		if os.Geteuid() != 0 { // only root can make one
			must(b.t, unix.Mkfifo(filepath.Join(b.upper, "a"), 0o644))
			return
		}
		must(b.t, unix.Mknod(filepath.Join(b.upper, "a"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	}, "changed special a was file problem\n"},
	{"hard links", nil, func(b *bench) {
		b.write(files{"a": "1"})
		must(b.t, os.Link(filepath.Join(b.upper, "a"), filepath.Join(b.upper, "b")))
	}, "added file a\nadded file b\n"},
	{"names that are strange", nil, func(b *bench) { b.write(files{"a\nb": "1", "-rf": "2", "\xff": "3"}) }, "added file -rf\nadded file a\nb\nadded file \xff\n"},
}

func TestDiff_tellsWhatChanged(t *testing.T) {
	for _, tt := range looks {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, tt.host)
			tt.make(b)
			equal(t, "diff", b.told(b.diff()), tt.want)
		})
	}
}

func TestDiff_looksThroughFrozenLayers(t *testing.T) {
	b := newBench(t, files{"a": "0", "b": "0", "c": "0", "d/x": "0", "d/y": "0", "e/z": "0"})
	b.write(files{"a": "1", "n": "1", "d/x": "1", "e/new": "1"})
	b.whiteout("b")
	must(t, b.w.Snapshot())
	b.at()
	b.write(files{"a": "0", "b": "2", "d": "a file now"}) // back as it was; there again; another kind
	b.whiteout("n")
	must(t, b.w.Snapshot())
	b.at()
	b.write(files{"d/only": "3", "e/z": "3"})
	equal(t, "diff", b.told(b.diff()), "changed file b\nadded file d/only\nremoved file d/x\nremoved file d/y\nadded file e/new\nchanged file e/z\n")
}

func TestDiff_refusesToTellOnlyAPart(t *testing.T) {
	for name, tt := range map[string]struct {
		limits Limits
		make   func(*bench)
	}{
		"many files":      {Limits{Entries: 5}, func(b *bench) { b.write(files{"a": "", "b": "", "c": "", "d": "", "e": "", "f": ""}) }},
		"many gone":       {Limits{Entries: 5}, func(b *bench) { b.whiteout("big") }},
		"deep folders":    {Limits{Depth: 3}, func(b *bench) { b.write(files{"a/b/c/d/e": ""}) }},
		"very long paths": {Limits{Depth: 2000}, deep},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, files{"big/1": "", "big/2": "", "big/3": "", "big/4": "", "big/5": "", "big/6": ""})
			tt.make(b)
			if _, err := b.w.Diff(t.Context(), tt.limits); fault.KindOf(err) != fault.Exhausted {
				t.Errorf("Diff = %v, want it exhausted", err)
			}
		})
	}
}

// deep makes folders in each other until their path is longer than the kernel
// takes.
func deep(b *bench) {
	name := strings.Repeat("x", 200)
	fd, err := unix.Open(b.upper, unix.O_DIRECTORY, 0)
	must(b.t, err)
	for range 30 {
		must(b.t, unix.Mkdirat(fd, name, 0o755))
		next, err := unix.Openat(fd, name, unix.O_DIRECTORY, 0)
		must(b.t, err)
		unix.Close(fd)
		fd = next
	}
	unix.Close(fd)
}

func TestDiff_endsWithItsContext(t *testing.T) {
	b := newBench(t, nil)
	b.write(files{"a": ""})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.w.Diff(ctx, Limits{}); fault.KindOf(err) != fault.Cancelled {
		t.Errorf("Diff = %v, want it cancelled", err)
	}
}

func TestDiff_doesNotWaitForAPipe(t *testing.T) {
	b := newBench(t, files{"a": "1"})
	must(t, unix.Mkfifo(filepath.Join(b.source, "b"), 0o644))
	b.write(files{"b": "1"})
	equal(t, "diff", b.told(b.diff()), "changed file b was special\n")
}

func TestDiff_ofAnOrdinaryUserSaysWhatItCannotRead(t *testing.T) {
	kerneltest.Need(t, "ordinary user", os.Geteuid() != 0, "root reads everything")
	b := newBench(t, nil)
	b.write(files{"d/a": "1"})
	must(t, os.Chmod(filepath.Join(b.upper, "d"), 0))
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(b.upper, "d"), 0o700) })
	got := b.told(b.diff())
	if !strings.Contains(got, "changed folder d problem\n") {
		t.Errorf("diff = %q", got)
	}
}

// leads are links in a folder two levels deep.
func TestLeadsOut_knowsWhereALinkCanLead(t *testing.T) {
	for target, stays := range map[string]bool{
		"x": true, "./x": true, "../x": true, "../../x": true, "..": true, ".": true, "x/y/": true, "a//b": true,
		"../../../x": false, "/x": false, "": false, "x/../y": false, "x/../../../y": false, "../a/../b": false,
		"./.././../..": false, "//x": false,
	} {
		if why := leadsOut("a/b/link", target); (why == "") != stays {
			t.Errorf("%q: %q, want it to stay: %v", target, why, stays)
		}
	}
}
