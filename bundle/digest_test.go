package bundle

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// digestOf is the digest of a bundle's folder.
func digestOf(t *testing.T, dir string) string {
	t.Helper()
	return loadSound(t, dir).Digest
}

func TestDigest_isPinned(t *testing.T) {
	dir := folderWith(t, sound, map[string]string{"split.py": "print('{}')\n", "data/a b.txt": "", "data/zz": "\x00\x01"})
	must(t, os.Chmod(filepath.Join(dir, "payloads/split.py"), 0o755))
	must(t, os.Symlink("split.py", filepath.Join(dir, "payloads/link.py")))

	// Anything that changes this line makes every stored digest wrong: then
	// digestHeader must change too.
	const want = "sha256:b1c3d5cb2d978319186f3ea681477d29a8d38dc271371fc70e207d3b42bd708d"
	if got := digestOf(t, dir); got != want {
		t.Errorf("digest = %s, want %s", got, want)
	}
}

func TestDigest_changesWithEverythingThatCounts(t *testing.T) {
	base := folderWith(t, sound, map[string]string{"split.py": "ab", "b/c": "d"})
	before := digestOf(t, base)
	for _, row := range []struct {
		name   string
		change func(t *testing.T, dir string)
	}{
		{"content", func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "payloads/split.py"), "ac") }},
		{"mode", func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, "payloads/split.py"), 0o755)) }},
		{"set-id bit", func(t *testing.T, dir string) {
			must(t, os.Chmod(filepath.Join(dir, "payloads/split.py"), 0o644|fs.ModeSetuid))
		}},
		{"name", func(t *testing.T, dir string) {
			must(t, os.Rename(filepath.Join(dir, "payloads/b/c"), filepath.Join(dir, "payloads/b/d")))
		}},
		{"folder", func(t *testing.T, dir string) {
			must(t, os.Rename(filepath.Join(dir, "payloads/b"), filepath.Join(dir, "payloads/e")))
		}},
		{"new empty file", func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "payloads/new"), "") }},
		{"file becomes a link", func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, "payloads/b/c")))
			must(t, os.Symlink("../split.py", filepath.Join(dir, "payloads/b/c")))
		}},
		{"manifest", func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, ManifestName), sound+"\n") }},
		{"mode of the manifest", func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, ManifestName), 0o600)) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := folderWith(t, sound, map[string]string{"split.py": "ab", "b/c": "d"})
			if got := digestOf(t, dir); got != before {
				t.Fatalf("digest = %s before the change, want %s as in another folder", got, before)
			}
			row.change(t, dir)
			if got := digestOf(t, dir); got == before {
				t.Error("the digest did not change")
			}
		})
	}
}

func TestDigest_doesNotCountWhatIsOutside(t *testing.T) {
	dir := folderWith(t, sound, soundFiles)
	before := digestOf(t, dir)
	writeFile(t, filepath.Join(dir, "README.md"), "hello")
	if got := digestOf(t, dir); got != before {
		t.Errorf("digest = %s after adding README.md, want %s", got, before)
	}
}

func TestDigest_tellsTextsApart(t *testing.T) {
	manifest := File{Path: ManifestName}
	a := digest(manifest, []File{{Path: "ab", Digest: "c"}})
	b := digest(manifest, []File{{Path: "a", Digest: "bc"}})
	if a == b {
		t.Error("two lists of files have one digest")
	}
}
