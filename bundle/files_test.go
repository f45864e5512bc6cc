package bundle

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// scanned returns the problems of a folder of payloads, one a line, with the
// folder's name left out.
func scanned(dir string, limit bounds) []string {
	s := scanPayloads("payloads", os.DirFS(dir), limit)
	return problemLines(s)
}

func problemLines(s scan) []string {
	var lines []string
	for _, p := range s.problems {
		lines = append(lines, p.String())
	}
	return lines
}

// scanRoot scans a folder the way Load does.
func scanRoot(t *testing.T, dir string) scan {
	t.Helper()
	root, err := os.OpenRoot(dir)
	must(t, err)
	t.Cleanup(func() { root.Close() })
	return scanPayloads("payloads", root.FS(), defaultBounds)
}

const linkFix = "; put the file itself there, or link to a file under payloads/ by a relative path"

func TestScan_refusesLinksThatLeave(t *testing.T) {
	outside := t.TempDir()
	writeFile(t, filepath.Join(outside, "secret"), "x")
	for _, row := range []struct{ name, target, want string }{
		{"absolute", "/etc/passwd", "which is outside payloads/"},
		{"parent", "../../etc/passwd", "which is outside payloads/"},
		{"just outside", "../manifest.json", "which is outside payloads/"},
		{"absolute to inside", "", "which is outside payloads/"},
		{"through a folder", "sub/../../manifest.json", "which is outside payloads/"},
		{"nothing", "nowhere", "which does not exist"},
		{"itself", "link", "which leads in a circle"},
		{"a folder", "sub", "which is a folder"},
		{"the whole folder", ".", "which is a folder"},
		{"a pipe", "pipe", "which is a named pipe"},
	} {
		t.Run(row.name, func(t *testing.T) {
			bundle := folderWith(t, sound, nil)
			dir := filepath.Join(bundle, payloadsDir)
			must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
			must(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644))
			if row.target == "" {
				row.target = filepath.Join(dir, "sub")
			}
			must(t, os.Symlink(row.target, filepath.Join(dir, "link")))

			s := scanRoot(t, dir)
			want := `payloads/link: is a link to "` + row.target + `", ` + row.want + linkFix
			if got := problemLines(s); len(got) != 2 || got[0] != want {
				t.Errorf("problems = %q, want %q and the pipe", got, want)
			}
			if len(s.files) > 0 {
				t.Errorf("files = %v, want none", s.files)
			}
		})
	}
}

func TestScan_takesLinksToFilesInside(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "common/lib.py"), "pass\n")
	must(t, os.Mkdir(filepath.Join(dir, "worker"), 0o755))
	must(t, os.Symlink("../common/lib.py", filepath.Join(dir, "worker/lib.py")))
	must(t, os.Symlink("lib.py", filepath.Join(dir, "worker/again.py")))

	s := scanRoot(t, dir)
	if len(s.problems) > 0 {
		t.Fatal(s.problems)
	}
	var got []string
	for _, f := range s.files {
		got = append(got, f.Mode.Type().String()+" "+f.Path)
	}
	want := []string{"---------- payloads/common/lib.py", "L--------- payloads/worker/again.py", "L--------- payloads/worker/lib.py"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, want := s.files[2].Size, int64(len("../common/lib.py")); got != want {
		t.Errorf("size of the link = %d, want that of its text, %d", got, want)
	}
}

func TestScan_refusesWhatIsNoFile(t *testing.T) {
	const fix = "; remove it; a bundle holds only folders, files, and links to files"
	dir := t.TempDir()
	must(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644))
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	must(t, err)
	defer l.Close()

	want := []string{
		"payloads/pipe: is a named pipe, not a regular file" + fix,
		"payloads/socket: is a socket, not a regular file" + fix,
	}
	if diff := cmp.Diff(want, problemLines(scanRoot(t, dir))); diff != "" {
		t.Error(diff)
	}
}

func TestScan_refusesNamesThatDoNotPrint(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a\x1b[31mred"), "x")
	writeFile(t, filepath.Join(dir, "b\xff"), "x")
	writeFile(t, filepath.Join(dir, "naïve name.txt"), "x")

	want := []string{
		`"payloads/a\x1b[31mred": has a name with control characters; rename it`,
		`"payloads/b\xff": has a name that is not UTF-8; rename it`,
	}
	if diff := cmp.Diff(want, problemLines(scanRoot(t, dir))); diff != "" {
		t.Error(diff)
	}
}

func TestScan_stopsAtItsBounds(t *testing.T) {
	const fix = "; keep data outside the bundle and grant it with --read"
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		writeFile(t, filepath.Join(dir, name), strings.Repeat("x", 1<<20))
	}
	for _, row := range []struct {
		name  string
		limit bounds
		want  []string
	}{
		{"just enough", bounds{3, 3 << 20}, nil},
		{"too many files", bounds{2, 3 << 20}, []string{"payloads: holds more than 2 files" + fix}},
		{"too many bytes", bounds{3, 2 << 20}, []string{"payloads: holds more than 2 MiB" + fix}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if diff := cmp.Diff(row.want, scanned(dir, row.limit)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// lockedFS refuses to open one file, as a file system does for a user who may
// not read it; the tests run as root, whom nothing refuses.
type lockedFS struct {
	fs.FS
	locked string
}

func (l lockedFS) Open(name string) (fs.File, error) {
	if name == l.locked {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return l.FS.Open(name)
}

func TestScan_namesEachFileThatCannotBeRead(t *testing.T) {
	files := fstest.MapFS{
		"open":        {Data: []byte("x"), Mode: 0o644},
		"locked":      {Data: []byte("x"), Mode: 0o600},
		"folder/file": {Data: []byte("x"), Mode: 0o600},
	}
	for _, row := range []struct{ locked, want string }{
		{"locked", "payloads/locked: cannot be read: permission denied"},
		{"folder", "payloads/folder: cannot be read: permission denied"},
	} {
		t.Run(row.locked, func(t *testing.T) {
			s := scanPayloads("payloads", lockedFS{files, row.locked}, defaultBounds)
			if diff := cmp.Diff([]string{row.want}, problemLines(s)); diff != "" {
				t.Error(diff)
			}
			if len(s.files) != 2 {
				t.Errorf("files = %v, want the two others", s.files)
			}
		})
	}
}
