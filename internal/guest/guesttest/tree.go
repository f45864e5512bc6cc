//go:build linux

package guesttest

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest"
	"github.com/bulkhead-dev/bulkhead/internal/guest/tree"
)

var limits = guest.TreeOptions{Bytes: 100 << 20, Entries: 10000}

var trees = []test{
	{"a folder goes in and comes back", func(ctx context.Context, t *testing.T, g *Guest) {
		from, to := t.TempDir(), t.TempDir()
		plant(t, from)
		sum, err := g.Upload(ctx, from, g.Path("up"), limits)
		if err != nil || sum.Entries != 8 {
			t.Fatalf("Upload = %+v, %v", sum, err)
		}
		if sum, err = g.Download(ctx, g.Path("up"), to, limits); err != nil || sum.Entries != 8 {
			t.Fatalf("Download = %+v, %v", sum, err)
		}
		if got, want := describe(t, to), describe(t, from); got != want {
			t.Errorf("came back:\n%s\nwas:\n%s", got, want)
		}
		// Again, over what is there.
		if _, err = g.Upload(ctx, from, g.Path("up"), limits); err != nil {
			t.Errorf("Upload again: %v", err)
		}
	}},
	{"limits hold in both directions", func(ctx context.Context, t *testing.T, g *Guest) {
		from := t.TempDir()
		plant(t, from)
		for _, opt := range []guest.TreeOptions{{Bytes: 10, Entries: 100}, {Bytes: 1 << 20, Entries: 3}, {}} {
			if _, err := g.Upload(ctx, from, g.Path("up"), opt); fault.KindOf(err) != fault.Exhausted {
				t.Errorf("Upload with %+v: %v, want exhausted", opt, err)
			}
		}
		_, err := g.Upload(ctx, from, g.Path("up"), limits)
		must(t, err)
		for _, opt := range []guest.TreeOptions{{Bytes: 10, Entries: 100}, {Bytes: 1 << 20, Entries: 3}, {}} {
			if _, err := g.Download(ctx, g.Path("up"), t.TempDir(), opt); fault.KindOf(err) != fault.Exhausted {
				t.Errorf("Download with %+v: %v, want exhausted", opt, err)
			}
		}
	}},
	{"links that lead out stay inside", func(ctx context.Context, t *testing.T, g *Guest) {
		output(ctx, t, g, "cd "+g.Dir+" && mkdir d && ln -s /etc/passwd d/abs && echo x > d/f")
		to := t.TempDir()
		if _, err := g.Download(ctx, g.Path("d"), to, limits); fault.KindOf(err) != fault.Denied {
			t.Errorf("Download = %v, want denied", err)
		}
		opt := limits
		opt.Links = tree.DropOutside
		sum, err := g.Download(ctx, g.Path("d"), to, opt)
		if err != nil || sum.Left != 1 || sum.Entries != 1 {
			t.Errorf("Download = %+v, %v; want the file, without the link", sum, err)
		}
		opt.Links = tree.KeepOutside
		if _, err = g.Download(ctx, g.Path("d"), to, opt); err != nil {
			t.Errorf("Download = %v", err)
		}
		if got, err := os.Readlink(filepath.Join(to, "abs")); err != nil || got != "/etc/passwd" {
			t.Errorf("link = %q, %v", got, err)
		}
	}},
	{"pipes and sockets are refused or left out", func(ctx context.Context, t *testing.T, g *Guest) {
		output(ctx, t, g, "cd "+g.Dir+" && mkdir d && mkfifo d/p && echo x > d/f")
		if _, err := g.Download(ctx, g.Path("d"), t.TempDir(), limits); fault.KindOf(err) != fault.Invalid {
			t.Errorf("Download = %v, want invalid", err)
		}
		opt := limits
		opt.SkipOthers = true
		if sum, err := g.Download(ctx, g.Path("d"), t.TempDir(), opt); err != nil || sum.Left != 1 || sum.Entries != 1 {
			t.Errorf("Download = %+v, %v; want the file, without the pipe", sum, err)
		}
	}},
	{"what is missing is told", func(ctx context.Context, t *testing.T, g *Guest) {
		if _, err := g.Download(ctx, g.Path("none"), t.TempDir(), limits); fault.KindOf(err) != fault.NotFound {
			t.Errorf("Download = %v, want not found", err)
		}
		must(t, writeString(ctx, g, "f", ""))
		if _, err := g.Upload(ctx, t.TempDir(), g.Path("f"), limits); fault.KindOf(err) != fault.Exists {
			t.Errorf("Upload over a file = %v, want exists", err)
		}
	}},
	{"an upload does not write through a link inside", func(ctx context.Context, t *testing.T, g *Guest) {
		output(ctx, t, g, "cd "+g.Dir+" && mkdir up secret && echo old > secret/f && ln -s ../secret up/sub && ln -s ../secret/f up/file")
		from := t.TempDir()
		must(t, os.Mkdir(filepath.Join(from, "sub"), 0o755))
		must(t, os.WriteFile(filepath.Join(from, "sub", "f"), []byte("new"), 0o644))
		if _, err := g.Upload(ctx, from, g.Path("up"), limits); err == nil {
			t.Error("a folder went into a link")
		}
		from = t.TempDir()
		must(t, os.WriteFile(filepath.Join(from, "file"), []byte("new"), 0o644))
		if _, err := g.Upload(ctx, from, g.Path("up"), limits); err != nil {
			t.Errorf("a file in the place of a link: %v", err)
		}
		if got := readString(ctx, t, g, "secret/f"); got != "old\n" {
			t.Errorf("behind the links: %q", got)
		}
	}},
}

// plant makes a tree of every kind of entry.
func plant(t *testing.T, dir string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755))
	must(t, os.Mkdir(filepath.Join(dir, "empty"), 0o700))
	for name, data := range map[string][]byte{"f": []byte("hello"), "a/large": pattern(1 << 20), "a/b/none": nil} {
		must(t, os.WriteFile(filepath.Join(dir, name), data, 0o640))
	}
	must(t, os.Symlink("../f", filepath.Join(dir, "a", "link")))
	must(t, os.WriteFile(filepath.Join(dir, "run"), []byte("#!/bin/sh\n"), 0o755))
}

// describe is a tree as text.
func describe(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		i, err := d.Info()
		must(t, err)
		rel, _ := filepath.Rel(dir, path)
		fmt.Fprintf(&b, "%s %v", rel, i.Mode())
		switch {
		case i.Mode().IsRegular():
			data, err := os.ReadFile(path)
			must(t, err)
			fmt.Fprintf(&b, " %d %x %d", len(data), data[:min(len(data), 8)], i.ModTime().UnixNano())
		case i.Mode().Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			must(t, err)
			fmt.Fprintf(&b, " -> %s", target)
		default:
			fmt.Fprintf(&b, " %d", i.ModTime().UnixNano())
		}
		b.WriteByte('\n')
		return nil
	})
	must(t, err)
	return b.String()
}
