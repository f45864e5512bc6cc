package workspace

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// bench is a host folder with a workspace over it.
type bench struct {
	t      *testing.T
	store  *Store
	w      *Workspace
	source string
	upper  string // the tree of the layer that a sandbox would write
}

// files are paths with their text; a path that ends in / is a folder, and a
// text that begins with -> is a link.
type files map[string]string

func newBench(t *testing.T, host files) *bench {
	t.Helper()
	b := &bench{t: t, source: filepath.Join(t.TempDir(), "project")}
	must(t, os.Mkdir(b.source, 0o755))
	b.fill(b.source, host)
	var err error
	b.store, err = Open(filepath.Join(t.TempDir(), "workspaces"))
	must(t, err)
	b.w, err = b.store.Create(Options{Name: "w", Sources: []string{b.source}})
	must(t, err)
	t.Cleanup(b.w.Release)
	b.at()
	return b
}

// at finds the upper layer again, after a snapshot or a commit.
func (b *bench) at() { b.upper = filepath.Join(b.w.Overlays()[0].Upper, "fs") }

func (b *bench) fill(dir string, all files) {
	b.t.Helper()
	for name, text := range all {
		at := filepath.Join(dir, name)
		must(b.t, os.MkdirAll(filepath.Dir(at), 0o755))
		target, isLink := strings.CutPrefix(text, "-> ")
		switch {
		case strings.HasSuffix(name, "/"):
			must(b.t, os.MkdirAll(at, 0o755))
		case isLink:
			must(b.t, os.Symlink(target, at))
		default:
			must(b.t, os.WriteFile(at, []byte(text), 0o644))
		}
	}
}

// write puts files into the upper layer, as a sandbox would.
func (b *bench) write(all files) { b.t.Helper(); b.fill(b.upper, all) }

// whiteout marks a path as removed.
func (b *bench) whiteout(rel string) {
	b.t.Helper()
	at := filepath.Join(b.upper, rel)
	must(b.t, os.MkdirAll(filepath.Dir(at), 0o755))
	must(b.t, unix.Mknod(at, unix.S_IFCHR, 0))
}

// mark sets one of the kernel's marks.
func (b *bench) mark(rel, name, value string) {
	b.t.Helper()
	must(b.t, unix.Setxattr(filepath.Join(b.upper, rel), string(ownMarks())+name, []byte(value), 0))
}

func (b *bench) diff() []Change {
	b.t.Helper()
	changes, err := b.w.Diff(b.t.Context(), Limits{})
	must(b.t, err)
	return changes
}

func (b *bench) commit(f Filter) Outcome {
	b.t.Helper()
	out, err := b.w.Commit(b.t.Context(), f)
	must(b.t, err)
	return out
}

// told is changes as short text: one a line.
func (b *bench) told(changes []Change) string {
	var s strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&s, "%s %s %s", c.Op, c.Kind, b.rel(c.Path))
		if c.Was != "" {
			fmt.Fprintf(&s, " was %s", c.Was)
		}
		if c.Target != "" {
			fmt.Fprintf(&s, " -> %s", c.Target)
		}
		if c.Entries > 0 {
			fmt.Fprintf(&s, " (%d)", c.Entries)
		}
		if c.Protected != "" {
			s.WriteString(" protected")
		}
		if c.Problem != "" {
			s.WriteString(" problem")
		}
		s.WriteByte('\n')
	}
	return s.String()
}

func (b *bench) rel(p string) string {
	rel, err := filepath.Rel(b.source, p)
	must(b.t, err)
	return rel
}

// held is what was held back, as short text.
func (b *bench) held(out Outcome) string {
	var s strings.Builder
	for _, h := range out.Held {
		fmt.Fprintf(&s, "%s: %s\n", b.rel(h.Change.Path), h.Why)
	}
	return s.String()
}

// host is the host folder as short text.
func (b *bench) host() string { return listing(b.t, b.source) }

func listing(t *testing.T, dir string) string {
	t.Helper()
	var s strings.Builder
	must(t, filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		switch {
		case d.IsDir():
			fmt.Fprintf(&s, "%s/\n", rel)
		case d.Type()&os.ModeSymlink != 0:
			target, _ := os.Readlink(name)
			fmt.Fprintf(&s, "%s -> %s\n", rel, target)
		case d.Type().IsRegular():
			text, err := os.ReadFile(name)
			must(t, err)
			fmt.Fprintf(&s, "%s = %s\n", rel, text)
		default:
			fmt.Fprintf(&s, "%s %s\n", rel, d.Type())
		}
		return nil
	}))
	return s.String()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%s\nwant\n%s", what, got, want)
	}
}
