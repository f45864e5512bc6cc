//go:build linux

package guesttest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest"
)

var files = []test{
	{"a file is described", func(ctx context.Context, t *testing.T, g *Guest) {
		must(t, writeString(ctx, g, "f", "hello"))
		output(ctx, t, g, "cd "+g.Dir+" && chmod 640 f && ln -s f l && ln -s /nonexistent broken")
		i, err := g.Stat(ctx, g.Path("f"))
		if err != nil || i.Name != "f" || i.Size != 5 || i.Mode != 0o640 || i.ModTime.IsZero() {
			t.Errorf("Stat = %+v, %v", i, err)
		}
		if i, err = g.Stat(ctx, g.Path("l")); err != nil || i.Size != 5 || !i.Mode.IsRegular() {
			t.Errorf("Stat of a link = %+v, %v; want its target", i, err)
		}
		if i, err = g.Lstat(ctx, g.Path("broken")); err != nil || i.Mode.Type() != fs.ModeSymlink || i.Target != "/nonexistent" {
			t.Errorf("Lstat = %+v, %v; want the link", i, err)
		}
		if _, err = g.Stat(ctx, g.Path("broken")); !errors.Is(err, fs.ErrNotExist) || fault.KindOf(err) != fault.NotFound {
			t.Errorf("Stat of a broken link = %v, want not found", err)
		}
		if i, err = g.Stat(ctx, g.Dir+"/.."); err != nil || !i.IsDir() {
			t.Errorf("Stat of .. = %+v, %v", i, err)
		}
		if i, err = g.Stat(ctx, "/../.."); err != nil || i.Name != "/" || !i.IsDir() {
			t.Errorf("Stat above the root = %+v, %v; want the root", i, err)
		}
	}},
	{"a folder is listed, however large", func(ctx context.Context, t *testing.T, g *Guest) {
		output(ctx, t, g, "cd "+g.Dir+" && mkdir d && cd d && seq -f 'a file with a rather long name %05.0f' 3000 | xargs -d '\\n' touch")
		list, err := g.ReadDir(ctx, g.Path("d"))
		if err != nil || len(list) != 3000 {
			t.Fatalf("ReadDir = %d entries, %v; want 3000", len(list), err)
		}
		if first, last := list[0].Name, list[2999].Name; !strings.HasSuffix(first, "00001") || !strings.HasSuffix(last, "03000") {
			t.Errorf("from %q to %q, want them sorted", first, last)
		}
		if list, err = g.ReadDir(ctx, g.Path("none")); fault.KindOf(err) != fault.NotFound {
			t.Errorf("missing: %v, %v; want not found", list, err)
		}
		if _, err = g.ReadDir(ctx, g.Path("d/"+"a file with a rather long name 00001")); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a file: %v; want invalid", err)
		}
	}},
	{"names may hold anything", func(ctx context.Context, t *testing.T, g *Guest) {
		for _, name := range []string{"a\nb", "\x1b[31m", "\xff\xfe", " ", "-rf", "…"} {
			must(t, writeString(ctx, g, name, name))
			i, err := g.Lstat(ctx, g.Path(name))
			if err != nil || i.Name != name {
				t.Errorf("Lstat(%q) = %+v, %v", name, i, err)
			}
		}
	}},
	{"folders are made", func(ctx context.Context, t *testing.T, g *Guest) {
		must(t, g.Mkdir(ctx, g.Path("a"), 0o700))
		if err := g.Mkdir(ctx, g.Path("a"), 0o700); fault.KindOf(err) != fault.Exists {
			t.Errorf("again: %v, want exists", err)
		}
		if err := g.Mkdir(ctx, g.Path("b/c"), 0o700); fault.KindOf(err) != fault.NotFound {
			t.Errorf("without its parent: %v, want not found", err)
		}
		must(t, g.MkdirAll(ctx, g.Path("b/c/d"), 0o755))
		must(t, g.MkdirAll(ctx, g.Path("b/c/d"), 0o755))
		must(t, writeString(ctx, g, "f", ""))
		if err := g.MkdirAll(ctx, g.Path("f"), 0o755); fault.KindOf(err) != fault.Exists {
			t.Errorf("over a file: %v, want exists", err)
		}
		if err := g.MkdirAll(ctx, g.Path("f/x"), 0o755); fault.KindOf(err) != fault.Invalid {
			t.Errorf("under a file: %v, want invalid", err)
		}
		i, err := g.Stat(ctx, g.Path("a"))
		if err != nil || i.Mode != fs.ModeDir|0o700 {
			t.Errorf("Stat = %+v, %v", i, err)
		}
	}},
	{"files are removed, and links but not what they lead to", func(ctx context.Context, t *testing.T, g *Guest) {
		output(ctx, t, g, "cd "+g.Dir+" && mkdir -p d/e/f keep && touch d/x d/e/y d/e/f/z keep/me && ln -s ../keep d/link && ln -s /etc d/out")
		if err := g.Remove(ctx, g.Path("d")); fault.KindOf(err) != fault.Conflict {
			t.Errorf("a folder with files: %v, want conflict", err)
		}
		must(t, g.Remove(ctx, g.Path("d/x")))
		must(t, g.Remove(ctx, g.Path("d/out")))
		must(t, g.RemoveAll(ctx, g.Path("d")))
		if _, err := g.Lstat(ctx, g.Path("d")); fault.KindOf(err) != fault.NotFound {
			t.Errorf("after: %v, want not found", err)
		}
		if _, err := g.Stat(ctx, g.Path("keep/me")); err != nil {
			t.Errorf("behind the link: %v", err)
		}
		if err := g.RemoveAll(ctx, "/"); fault.KindOf(err) != fault.Conflict {
			t.Errorf("the root: %v, want conflict", err)
		}
	}},
	{"files are renamed", func(ctx context.Context, t *testing.T, g *Guest) {
		must(t, writeString(ctx, g, "a", "a"))
		must(t, writeString(ctx, g, "b", "b"))
		if err := g.RenameNew(ctx, g.Path("a"), g.Path("b")); fault.KindOf(err) != fault.Exists {
			t.Errorf("over a file: %v, want exists", err)
		}
		must(t, g.Rename(ctx, g.Path("a"), g.Path("b")))
		if got := readString(ctx, t, g, "b"); got != "a" {
			t.Errorf("b = %q, want what a was", got)
		}
	}},
	{"links in paths are followed", func(ctx context.Context, t *testing.T, g *Guest) {
		output(ctx, t, g, fmt.Sprintf("cd %s && mkdir -p d/e && echo x > d/e/f && ln -s d rel && ln -s %s/d/e abs && ln -s loop loop && ln -s ../rel/e d/back", g.Dir, g.Dir))
		for _, p := range []string{"rel/e/f", "abs/f", "d/back/f", "rel/../rel/e/./f", "d//e///f"} {
			if got := readString(ctx, t, g, p); got != "x\n" {
				t.Errorf("%s = %q", p, got)
			}
		}
		if _, err := g.Stat(ctx, g.Path("loop/x")); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a loop: %v, want invalid", err)
		}
	}},
	{"paths beyond the limits are refused", func(ctx context.Context, t *testing.T, g *Guest) {
		for _, p := range []string{strings.Repeat("x/", 5000), "a\x00b"} {
			if _, err := g.Stat(ctx, p); fault.KindOf(err) != fault.Invalid {
				t.Errorf("a path of %d bytes: %v, want invalid", len(p), err)
			}
		}
		if _, err := g.Stat(ctx, g.Path(strings.Repeat("x", 300))); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a name of 300 bytes: %v, want invalid", err)
		}
		must(t, g.Ping(ctx))
	}},
}

func writeString(ctx context.Context, g *Guest, name, text string) error {
	_, err := g.WriteFile(ctx, g.Path(name), strings.NewReader(text), guest.WriteOptions{})
	return err
}

func readString(ctx context.Context, t *testing.T, g *Guest, name string) string {
	t.Helper()
	b, err := g.ReadFile(ctx, g.Path(name), 1<<20)
	must(t, err)
	return string(b)
}
