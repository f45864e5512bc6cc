//go:build linux

package tree

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

var wide = Options{Bytes: 1 << 30, Entries: 1 << 20}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// folder opens a folder as Send and Receive take it.
func folder(t testing.TB, dir string) int {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

func send(t testing.TB, dir string, opt Options) ([]byte, Sum, error) {
	t.Helper()
	var b bytes.Buffer
	sum, err := Send(&b, folder(t, dir), opt)
	return b.Bytes(), sum, err
}

func receive(t testing.TB, stream []byte, dir string, opt Options) (Sum, error) {
	t.Helper()
	return Receive(bytes.NewReader(stream), folder(t, dir), opt)
}

// plant makes a tree of every kind of entry: 9 of them.
func plant(t testing.TB, dir string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755))
	must(t, os.Mkdir(filepath.Join(dir, "closed"), 0o755))
	for name, size := range map[string]int{"f": 5, "a/large": 3*copySize + 1, "a/b/none": 0, "closed/x": 1} {
		must(t, os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte("y"), size), 0o640))
	}
	must(t, os.Symlink("../f", filepath.Join(dir, "a", "link")))
	must(t, os.Symlink("none", filepath.Join(dir, "dangling")))
	must(t, os.Chmod(filepath.Join(dir, "closed"), 0o555))
	old := time.Unix(1e9, 5e6)
	must(t, os.Chtimes(filepath.Join(dir, "a", "b"), old, old))
	must(t, os.Chtimes(filepath.Join(dir, "f"), old, old))
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, "closed"), 0o755) })
}

// describe is a tree as text.
func describe(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		i, err := d.Info()
		must(t, err)
		rel, _ := filepath.Rel(dir, path)
		fmt.Fprintf(&b, "%s %v", rel, i.Mode())
		if d.Type() == fs.ModeSymlink {
			target, err := os.Readlink(path)
			must(t, err)
			fmt.Fprintf(&b, " -> %s\n", target)
			return nil
		}
		if i.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			must(t, err)
			fmt.Fprintf(&b, " %d", len(data))
		}
		fmt.Fprintf(&b, " %d\n", i.ModTime().UnixNano())
		return nil
	}))
	return b.String()
}

func TestTree_comesAsItWas(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	plant(t, from)
	stream, sent, err := send(t, from, wide)
	must(t, err)
	for range 2 { // the second time over the first
		got, err := receive(t, stream, to, wide)
		if err != nil || got != sent || got.Entries != 9 {
			t.Fatalf("Receive = %+v, %v; sent %+v", got, err, sent)
		}
		if got, want := describe(t, to), describe(t, from); got != want {
			t.Fatalf("came:\n%s\nwas:\n%s", got, want)
		}
	}
	must(t, os.Chmod(filepath.Join(to, "closed"), 0o755))
}

func TestSend_dropsBitsThatRunAsTheOwner(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	must(t, os.WriteFile(filepath.Join(from, "f"), nil, 0o755))
	must(t, os.Chmod(filepath.Join(from, "f"), 0o755|fs.ModeSetuid|fs.ModeSetgid))
	stream, _, err := send(t, from, wide)
	must(t, err)
	_, err = receive(t, stream, to, wide)
	must(t, err)
	if i, err := os.Stat(filepath.Join(to, "f")); err != nil || i.Mode() != 0o755 {
		t.Errorf("mode = %v, %v; want 0755", i.Mode(), err)
	}
}

func TestSend_refusesOrSkipsWhatIsNoFile(t *testing.T) {
	from := t.TempDir()
	must(t, unix.Mkfifo(filepath.Join(from, "p"), 0o600))
	must(t, os.WriteFile(filepath.Join(from, "f"), nil, 0o600))
	if _, _, err := send(t, from, wide); fault.KindOf(err) != fault.Invalid {
		t.Errorf("Send = %v, want invalid", err)
	}
	opt := wide
	opt.SkipOthers = true
	if _, sum, err := send(t, from, opt); err != nil || sum.Entries != 1 || sum.Left != 1 {
		t.Errorf("Send = %+v, %v", sum, err)
	}
}

func TestTree_hasLimitsAtBothEnds(t *testing.T) {
	from := t.TempDir()
	plant(t, from)
	stream, sum, err := send(t, from, wide)
	must(t, err)
	for _, opt := range []Options{{}, {Bytes: sum.Bytes - 1, Entries: 100}, {Bytes: sum.Bytes, Entries: 8}} {
		if _, _, err := send(t, from, opt); fault.KindOf(err) != fault.Exhausted {
			t.Errorf("Send with %+v: %v, want exhausted", opt, err)
		}
		if _, err := receive(t, stream, t.TempDir(), opt); fault.KindOf(err) != fault.Exhausted {
			t.Errorf("Receive with %+v: %v, want exhausted", opt, err)
		}
	}
	exact := Options{Bytes: sum.Bytes, Entries: sum.Entries}
	to := t.TempDir()
	if _, err := receive(t, stream, to, exact); err != nil {
		t.Errorf("Receive with the exact limits: %v", err)
	}
	must(t, os.Chmod(filepath.Join(to, "closed"), 0o755))
}

func TestSend_refusesWhatIsTooDeep(t *testing.T) {
	from := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(from, strings.Repeat("d/", MaxDepth+1)), 0o755))
	if _, _, err := send(t, from, wide); fault.KindOf(err) != fault.Invalid {
		t.Errorf("Send = %v, want invalid", err)
	}
}

// forge writes a stream by hand.
type forge struct{ bytes.Buffer }

func newForge() *forge {
	f := new(forge)
	f.WriteString(magic)
	return f
}

func (f *forge) text(s string) *forge {
	f.Write(binary.LittleEndian.AppendUint16(nil, uint16(len(s))))
	f.WriteString(s)
	return f
}

func (f *forge) stat(mode uint32) *forge {
	f.Write(binary.LittleEndian.AppendUint32(nil, mode))
	f.Write(make([]byte, 8))
	return f
}

func (f *forge) u64(n uint64) *forge {
	f.Write(binary.LittleEndian.AppendUint64(nil, n))
	return f
}

func (f *forge) kind(k byte) *forge { f.WriteByte(k); return f }

func (f *forge) dir(name string) *forge { return f.kind(kindDir).text(name).stat(0o755) }

func (f *forge) file(name, data string) *forge {
	f.kind(kindFile).text(name).stat(0o644).u64(uint64(len(data)))
	f.WriteString(data)
	return f
}

func (f *forge) link(name, target string) *forge { return f.kind(kindLink).text(name).text(target) }

func (f *forge) end(entries, bytes uint64) []byte {
	return f.kind(kindEnd).u64(entries).u64(bytes).Bytes()
}

func TestReceive_refusesDamagedAndHostileStreams(t *testing.T) {
	deep := newForge()
	for range MaxDepth + 1 {
		deep.dir("d")
	}
	for _, row := range []struct {
		name   string
		stream []byte
		want   fault.Kind
	}{
		{"nothing", nil, fault.Corrupt},
		{"another magic", []byte("BKHT\x02"), fault.Corrupt},
		{"no end", newForge().file("f", "x").Bytes(), fault.Corrupt},
		{"a file that is cut", newForge().kind(kindFile).text("f").stat(0o644).u64(5).Bytes(), fault.Corrupt},
		{"another kind", newForge().kind('x').Bytes(), fault.Corrupt},
		{"a path for a name", newForge().file("../f", "x").end(1, 1), fault.Corrupt},
		{"an absolute name", newForge().file("/etc/f", "x").end(1, 1), fault.Corrupt},
		{"the parent for a name", newForge().dir("..").kind(kindUp).end(1, 0), fault.Corrupt},
		{"the folder itself for a name", newForge().dir(".").kind(kindUp).end(1, 0), fault.Corrupt},
		{"no name", newForge().file("", "x").end(1, 1), fault.Corrupt},
		{"a name with NUL", newForge().file("a\x00b", "x").end(1, 1), fault.Corrupt},
		{"a name of 256 bytes", newForge().file(strings.Repeat("x", 256), "x").end(1, 1), fault.Corrupt},
		{"a target of 4096 bytes", newForge().link("l", strings.Repeat("x", 4096)).end(1, 0), fault.Corrupt},
		{"bits that run as the owner", newForge().kind(kindFile).text("f").stat(0o4755).u64(0).end(1, 0), fault.Corrupt},
		{"a file of 2⁶³ bytes", newForge().kind(kindFile).text("f").stat(0o644).u64(1<<63).end(1, 0), fault.Corrupt},
		{"a file beyond the limit", newForge().kind(kindFile).text("f").stat(0o644).u64(1<<40).end(1, 0), fault.Exhausted},
		{"up from the root", newForge().kind(kindUp).end(0, 0), fault.Corrupt},
		{"an end within a folder", newForge().dir("d").end(1, 0), fault.Corrupt},
		{"too deep", deep.Bytes(), fault.Corrupt},
		{"sums that are wrong", newForge().file("f", "x").end(1, 2), fault.Corrupt},
		{"a count that is wrong", newForge().file("f", "x").end(2, 1), fault.Corrupt},
		{"an absolute link", newForge().link("l", "/etc/passwd").end(1, 0), fault.Denied},
		{"a link that climbs out", newForge().link("l", "../x").end(1, 0), fault.Denied},
		{"a link that climbs out of its folder", newForge().dir("d").link("l", "../../x").kind(kindUp).end(2, 0), fault.Denied},
		{"a link that climbs after a name", newForge().link("l", "a/../../x").end(1, 0), fault.Denied},
		{"a folder through a link", newForge().dir("d").kind(kindUp).link("l", "d").dir("l").kind(kindUp).end(3, 0), fault.Internal},
	} {
		base := t.TempDir()
		to := filepath.Join(base, "to")
		must(t, os.Mkdir(to, 0o755))
		_, err := receive(t, row.stream, to, wide)
		if err == nil || fault.KindOf(err) != row.want {
			t.Errorf("%s: %v (%v), want %v", row.name, err, fault.KindOf(err), row.want)
		}
		if list, _ := os.ReadDir(base); len(list) != 1 {
			t.Errorf("%s: something was written beside the folder: %v", row.name, list)
		}
	}
}

func TestReceive_writesThroughNothingThatIsThere(t *testing.T) {
	base := t.TempDir()
	to, victim := filepath.Join(base, "to"), filepath.Join(base, "victim")
	must(t, os.Mkdir(to, 0o755))
	must(t, os.WriteFile(victim, []byte("old"), 0o644))
	must(t, os.Symlink(victim, filepath.Join(to, "link")))
	must(t, os.Link(victim, filepath.Join(to, "hard")))
	must(t, unix.Mkfifo(filepath.Join(to, "pipe"), 0o600))
	stream := newForge().file("link", "new").file("hard", "new").file("pipe", "new").end(3, 9)
	if _, err := receive(t, stream, to, wide); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(victim); string(got) != "old" {
		t.Errorf("the victim = %q", got)
	}
	for _, name := range []string{"link", "hard", "pipe"} {
		if got, err := os.ReadFile(filepath.Join(to, name)); err != nil || string(got) != "new" {
			t.Errorf("%s = %q, %v", name, got, err)
		}
	}
}

func TestReceive_goesIntoNoLinkThatIsThere(t *testing.T) {
	base := t.TempDir()
	to := filepath.Join(base, "to")
	must(t, os.Mkdir(to, 0o755))
	must(t, os.Symlink(base, filepath.Join(to, "d")))
	_, err := receive(t, newForge().dir("d").file("f", "x").kind(kindUp).end(2, 1), to, wide)
	if err == nil {
		t.Error("Receive went through a link")
	}
	if _, err := os.Stat(filepath.Join(base, "f")); err == nil {
		t.Error("a file was written beside the folder")
	}
}

func TestReceive_takesLinksAsToldTo(t *testing.T) {
	stream := newForge().link("out", "/etc").dir("d").link("in", "../d/x").kind(kindUp).end(3, 0)
	for _, row := range []struct {
		links   Links
		entries int64
		left    int64
	}{{DropOutside, 2, 1}, {KeepOutside, 3, 0}} {
		sum, err := receive(t, stream, t.TempDir(), Options{Entries: 10, Links: row.links})
		if err != nil || sum.Entries != row.entries || sum.Left != row.left {
			t.Errorf("links %d: %+v, %v", row.links, sum, err)
		}
	}
}

func TestReceive_givesTheReadersErrorBack(t *testing.T) {
	broken := errors.New("broken")
	r := io.MultiReader(bytes.NewReader(newForge().dir("d").Bytes()), errReader{broken})
	if _, err := Receive(r, folder(t, t.TempDir()), wide); !errors.Is(err, broken) {
		t.Errorf("Receive = %v, want the reader's", err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestTree_leavesNothingOpen(t *testing.T) {
	from := t.TempDir()
	plant(t, from)
	stream, _, err := send(t, from, wide)
	must(t, err)
	to := folder(t, t.TempDir())
	before := open(t)
	for n := range 40 {
		_, _ = Receive(bytes.NewReader(stream[:len(stream)*n/40]), to, wide)
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

// FuzzReceive unpacks anything. It may fail, but writes nothing beside the
// folder, and makes no link that leads out.
func FuzzReceive(f *testing.F) {
	f.Add(newForge().dir("d").file("f", "hello").link("l", "../x").kind(kindUp).end(3, 5))
	f.Add(newForge().link("l", "..").file("l", "x").end(2, 1))
	f.Add(newForge().dir("d").link("e", ".").kind(kindUp).dir("d").dir("e").file("f", "x").kind(kindUp).kind(kindUp).end(5, 1))
	base := f.TempDir()
	f.Fuzz(func(t *testing.T, stream []byte) {
		to, err := os.MkdirTemp(base, "to")
		must(t, err)
		defer os.RemoveAll(to)
		_, _ = receive(t, stream, to, Options{Bytes: 1 << 20, Entries: 100})
		list, err := os.ReadDir(base)
		must(t, err)
		for _, e := range list {
			if !strings.HasPrefix(e.Name(), "to") {
				t.Fatalf("%s was written beside the folder", e.Name())
			}
		}
		_ = filepath.WalkDir(to, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.Type() != fs.ModeSymlink {
				return nil
			}
			real, err := filepath.EvalSymlinks(path)
			if err == nil && real != to && !strings.HasPrefix(real, to+"/") {
				t.Errorf("%s leads out, to %s", path, real)
			}
			return nil
		})
	})
}
