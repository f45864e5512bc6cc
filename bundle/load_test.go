package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// sound is a manifest with nothing wrong. Tests break it in one place.
const sound = `{
  "apiVersion": "bulkhead/v1",
  "id": "demo",
  "nodes": [
    {"id": "split", "type": "executor", "config": {"command": ["python3", "split.py"], "uploads": [{"source": "split.py"}]}},
    {"id": "pass", "type": "router", "config": {"emit_type": "part"}},
    {"id": "gather", "type": "aggregator", "config": {"complete_after": 2}}
  ],
  "edges": [
    {"from": "split", "to": "pass", "type": "part"},
    {"id": "last", "from": "pass", "to": "gather", "type": "*", "accepts": "done"}
  ],
  "entrypoints": ["split"]
}
`

// soundFiles are the payloads that go with sound.
var soundFiles = map[string]string{"split.py": "print('{}')\n"}

// folderWith writes a bundle's folder and returns it.
func folderWith(t testing.TB, manifest string, payloads map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, ManifestName), manifest)
	must(t, os.Mkdir(filepath.Join(dir, payloadsDir), 0o755))
	for name, text := range payloads {
		writeFile(t, filepath.Join(dir, payloadsDir, name), text)
	}
	return dir
}

// writeFile writes a file with mode 0644 whatever the umask, and its folders.
func writeFile(t testing.TB, name, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(name), 0o755))
	must(t, os.WriteFile(name, []byte(text), 0o644))
	must(t, os.Chmod(name, 0o644))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// loadSound loads a bundle that must be sound.
func loadSound(t testing.TB, dir string) *Bundle {
	t.Helper()
	b, err := Load(dir)
	must(t, err)
	t.Cleanup(func() { must(t, b.Close()) })
	return b
}

func TestLoad_readsASoundBundle(t *testing.T) {
	dir := folderWith(t, sound, soundFiles)
	b := loadSound(t, dir)

	if b.Root != dir {
		t.Errorf("Root = %q, want %q", b.Root, dir)
	}
	if b.Graph.Name != "demo" || b.Graph.Concurrency != 4 || b.Dialect != Native {
		t.Errorf("Name, Concurrency, Dialect = %q, %d, %q; want demo, 4, %q", b.Graph.Name, b.Graph.Concurrency, b.Dialect, Native)
	}
	if got, want := string(b.Graph.Edges[0].ID), "split->pass:part"; got != want {
		t.Errorf("id of the first edge = %q, want %q", got, want)
	}
	if len(b.Files) != 1 || b.Files[0].Path != "payloads/split.py" || b.Files[0].Size != 12 {
		t.Errorf("Files = %+v, want payloads/split.py of 12 bytes", b.Files)
	}
	if len(b.Warnings) > 0 {
		t.Errorf("Warnings = %v, want none", b.Warnings)
	}
}

func TestLoad_namesWhatTheFolderLacks(t *testing.T) {
	for _, row := range []struct {
		name string
		make func(t *testing.T, dir string)
		want string // DIR stands for the folder
		kind fault.Kind
		hint bool
	}{
		{"no folder", func(t *testing.T, dir string) { must(t, os.RemoveAll(dir)) }, "DIR does not exist", fault.NotFound, true},
		{"a file", func(t *testing.T, dir string) {
			must(t, os.RemoveAll(dir))
			writeFile(t, dir, "x")
		}, "DIR is a file, not a bundle's folder", fault.Invalid, true},
		{"no manifest", func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, ManifestName))) }, "DIR has no manifest.json", fault.NotFound, true},
		{"no payloads", func(t *testing.T, dir string) { must(t, os.RemoveAll(filepath.Join(dir, payloadsDir))) }, "DIR has no payloads/ folder", fault.NotFound, true},
		{"payloads is a file", func(t *testing.T, dir string) {
			must(t, os.RemoveAll(filepath.Join(dir, payloadsDir)))
			writeFile(t, filepath.Join(dir, payloadsDir), "x")
		}, "DIR/payloads is a file, not a folder", fault.Invalid, false},
		{"payloads is a link", func(t *testing.T, dir string) {
			must(t, os.RemoveAll(filepath.Join(dir, payloadsDir)))
			must(t, os.Symlink("/usr", filepath.Join(dir, payloadsDir)))
		}, "DIR/payloads is a symbolic link, not a folder", fault.Invalid, false},
		{"manifest is a folder", func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, ManifestName)))
			must(t, os.Mkdir(filepath.Join(dir, ManifestName), 0o755))
		}, "DIR/manifest.json is a folder, not a regular file", fault.Invalid, false},
		{"manifest is a link", func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, ManifestName)))
			must(t, os.Symlink("/etc/passwd", filepath.Join(dir, ManifestName)))
		}, "DIR/manifest.json is a symbolic link, not a regular file", fault.Invalid, false},
		{"manifest too large", func(t *testing.T, dir string) {
			must(t, os.Truncate(filepath.Join(dir, ManifestName), maxManifest+1))
		}, "DIR/manifest.json is larger than 8 MiB", fault.Invalid, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := folderWith(t, sound, soundFiles)
			row.make(t, dir)

			_, err := Load(dir)
			if err == nil {
				t.Fatal("Load succeeded")
			}
			if got, want := err.Error(), strings.ReplaceAll(row.want, "DIR", dir); got != want {
				t.Errorf("error = %q, want %q", got, want)
			}
			if got := fault.KindOf(err); got != row.kind {
				t.Errorf("kind = %v, want %v", got, row.kind)
			}
			if got := fault.HintOf(err) != ""; got != row.hint {
				t.Errorf("has a hint = %v, want %v", got, row.hint)
			}
		})
	}
}

func TestLoad_reportsManifestAndPayloadsTogether(t *testing.T) {
	dir := folderWith(t, strings.Replace(sound, `"demo"`, `"../demo"`, 1), soundFiles)
	must(t, os.Symlink("/etc", filepath.Join(dir, payloadsDir, "etc")))

	_, err := Load(dir)
	var problems fault.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("error = %v, want fault.Problems", err)
	}
	if len(problems) != 2 || problems[0].Pointer != "/id" || problems[1].File != filepath.Join(dir, "payloads/etc") {
		t.Errorf("problems = %v, want one at /id and one of payloads/etc", problems)
	}
	if got := fault.KindOf(err); got != fault.Invalid {
		t.Errorf("kind = %v, want invalid", got)
	}
}

func TestClose_mayBeCalledTwice(t *testing.T) {
	b, err := Load(folderWith(t, sound, soundFiles))
	must(t, err)
	must(t, b.Close())
	must(t, b.Close())
	if _, err := b.FS.Open("manifest.json"); err == nil {
		t.Error("FS still opens files after Close")
	}
	must(t, (&Bundle{}).Close())
}

func TestFS_doesNotLeaveTheBundle(t *testing.T) {
	dir := folderWith(t, sound, soundFiles)
	b := loadSound(t, dir)
	// Planted after the check, as an attacker would.
	must(t, os.Symlink("/etc/passwd", filepath.Join(dir, payloadsDir, "late")))

	for _, name := range []string{"../etc/passwd", "/etc/passwd", "payloads/late", "payloads/../../x"} {
		if f, err := b.FS.Open(name); err == nil {
			f.Close()
			t.Errorf("FS opens %s", name)
		}
	}
}
