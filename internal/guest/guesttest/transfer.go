//go:build linux

package guesttest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest"
)

var transfers = []test{
	{"what is written is read", func(ctx context.Context, t *testing.T, g *Guest) {
		for _, size := range []int{0, 1, 4096, 1 << 20, 5<<20 + 7} {
			data := pattern(size)
			n, err := g.WriteFile(ctx, g.Path("f"), bytes.NewReader(data), guest.WriteOptions{})
			if err != nil || n != int64(size) {
				t.Fatalf("WriteFile = %d, %v; want %d", n, err, size)
			}
			got, err := g.ReadFile(ctx, g.Path("f"), 10<<20)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("ReadFile = %d bytes, %v; want %d", len(got), err, size)
			}
		}
	}},
	{"a part of a file is read", func(ctx context.Context, t *testing.T, g *Guest) {
		must(t, writeString(ctx, g, "f", "0123456789"))
		for _, row := range []struct {
			offset, n int64
			want      string
		}{{0, 0, "0123456789"}, {3, 4, "3456"}, {8, 100, "89"}, {10, 0, ""}, {99, 5, ""}} {
			f, err := g.Open(ctx, g.Path("f"), row.offset, row.n)
			must(t, err)
			got, err := io.ReadAll(f)
			if err != nil || string(got) != row.want || f.Info.Size != 10 {
				t.Errorf("from %d, %d bytes: %q, %v; want %q", row.offset, row.n, got, err, row.want)
			}
			must(t, f.Close())
			must(t, f.Close())
		}
	}},
	{"a file that is too large is not read", func(ctx context.Context, t *testing.T, g *Guest) {
		must(t, writeString(ctx, g, "f", "0123456789"))
		if _, err := g.ReadFile(ctx, g.Path("f"), 9); fault.KindOf(err) != fault.Exhausted {
			t.Errorf("ReadFile = %v, want exhausted", err)
		}
		if b, err := g.ReadFile(ctx, g.Path("f"), 10); err != nil || len(b) != 10 {
			t.Errorf("ReadFile = %q, %v", b, err)
		}
	}},
	{"reading may stop early", func(ctx context.Context, t *testing.T, g *Guest) {
		output(ctx, t, g, "head -c 20000000 /dev/zero > "+g.Path("big"))
		for range 20 {
			f, err := g.Open(ctx, g.Path("big"), 0, 0)
			must(t, err)
			_, err = io.ReadFull(f, make([]byte, 10))
			must(t, err)
			must(t, f.Close())
		}
		must(t, g.Ping(ctx))
	}},
	{"only regular files are read and written", func(ctx context.Context, t *testing.T, g *Guest) {
		output(ctx, t, g, "cd "+g.Dir+" && mkfifo p && mkdir d && ln -s /dev/zero zero && ln -s p pl")
		for _, name := range []string{"p", "d", "zero", "pl"} {
			if _, err := g.ReadFile(ctx, g.Path(name), 10); fault.KindOf(err) != fault.Invalid {
				t.Errorf("read %s: %v, want invalid", name, err)
			}
			for _, opt := range []guest.WriteOptions{{}, {Atomic: true}, {Append: true}} {
				_, err := g.WriteFile(ctx, g.Path(name), strings.NewReader("x"), opt)
				if fault.KindOf(err) != fault.Invalid {
					t.Errorf("write %s with %+v: %v, want invalid", name, opt, err)
				}
			}
		}
	}},
	{"ways of writing", func(ctx context.Context, t *testing.T, g *Guest) {
		write := func(text string, opt guest.WriteOptions) error {
			_, err := g.WriteFile(ctx, g.Path("f"), strings.NewReader(text), opt)
			return err
		}
		must(t, write("one", guest.WriteOptions{New: true, Mode: 0o600}))
		must(t, write("two", guest.WriteOptions{Append: true}))
		if got := readString(ctx, t, g, "f"); got != "onetwo" {
			t.Errorf("appended: %q", got)
		}
		for _, atomic := range []bool{false, true} {
			if err := write("x", guest.WriteOptions{New: true, Atomic: atomic}); fault.KindOf(err) != fault.Exists {
				t.Errorf("new, atomic %v: %v, want exists", atomic, err)
			}
		}
		must(t, write("3", guest.WriteOptions{Atomic: true, Sync: true}))
		i, err := g.Stat(ctx, g.Path("f"))
		if err != nil || i.Size != 1 || i.Mode != 0o600 {
			t.Errorf("after an atomic write: %+v, %v; want the old mode", i, err)
		}
		must(t, write("4", guest.WriteOptions{Atomic: true, Mode: 0o755}))
		if i, err = g.Stat(ctx, g.Path("f")); err != nil || i.Mode != 0o755 {
			t.Errorf("after an atomic write with a mode: %+v, %v", i, err)
		}
		if err := write("", guest.WriteOptions{Atomic: true, Append: true}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("atomic and append: %v, want invalid", err)
		}
	}},
	{"an atomic write goes through a link", func(ctx context.Context, t *testing.T, g *Guest) {
		output(ctx, t, g, "cd "+g.Dir+" && mkdir d && echo old > d/f && ln -s d/f l")
		_, err := g.WriteFile(ctx, g.Path("l"), strings.NewReader("new"), guest.WriteOptions{Atomic: true})
		must(t, err)
		if got := readString(ctx, t, g, "d/f"); got != "new" {
			t.Errorf("the target = %q", got)
		}
		if i, err := g.Lstat(ctx, g.Path("l")); err != nil || i.Mode.Type() != fs.ModeSymlink {
			t.Errorf("the link = %+v, %v", i, err)
		}
	}},
	{"an atomic write that fails changes nothing and leaves nothing", func(ctx context.Context, t *testing.T, g *Guest) {
		must(t, writeString(ctx, g, "f", "old"))
		_, err := g.WriteFile(ctx, g.Path("f"), io.MultiReader(strings.NewReader("half"), broken{}), guest.WriteOptions{Atomic: true})
		if !errors.Is(err, errFull) {
			t.Errorf("WriteFile = %v, want the source's error", err)
		}
		if got := readString(ctx, t, g, "f"); got != "old" {
			t.Errorf("f = %q, want what it was", got)
		}
		list, err := g.ReadDir(ctx, g.Dir)
		if err != nil || len(list) != 1 {
			t.Errorf("ReadDir = %+v, %v; want f alone", list, err)
		}
	}},
	{"a full disk is told", func(ctx context.Context, t *testing.T, g *Guest) {
		_, err := g.WriteFile(ctx, "/dev/full", strings.NewReader("x"), guest.WriteOptions{})
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("a device: %v, want invalid", err)
		}
	}},
	{"many at once", func(ctx context.Context, t *testing.T, g *Guest) {
		var group sync.WaitGroup
		for i := range 40 {
			group.Go(func() {
				data := pattern(100<<10 + i)
				name := g.Path(strings.Repeat("x", i+1))
				_, err := g.WriteFile(ctx, name, bytes.NewReader(data), guest.WriteOptions{Atomic: i%2 == 0})
				if err != nil {
					t.Errorf("WriteFile: %v", err)
					return
				}
				if got, err := g.ReadFile(ctx, name, 1<<20); err != nil || !bytes.Equal(got, data) {
					t.Errorf("ReadFile = %d bytes, %v; want %d", len(got), err, len(data))
				}
			})
		}
		group.Wait()
	}},
}

// pattern is bytes that differ everywhere.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errFull }
