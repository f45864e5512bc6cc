package pebble_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/store/pebble"
	"github.com/bulkhead-dev/bulkhead/internal/store/storetest"
)

// write makes files in a folder, by relative name.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// listing is every file under a folder with its content.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		all = append(all, fmt.Sprintf("%s=%q", path, content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestOpen_refusesForeignFoldersAndLeavesThemAlone(t *testing.T) {
	rows := []struct {
		name  string
		files map[string]string
		kind  fault.Kind
		says  string
	}{
		{"somebody's files", map[string]string{"thesis.doc": "x"}, fault.Invalid, "thesis.doc"},
		{"a database without a version", map[string]string{"db/CURRENT": "x"}, fault.Invalid, "not a state folder"},
		{"a newer version", map[string]string{"VERSION": "2\n", "db/x": "y"}, fault.Unsupported, `"2"`},
		{"an older version", map[string]string{"VERSION": "0\n"}, fault.Unsupported, `"0"`},
		{"an empty version", map[string]string{"VERSION": ""}, fault.Unsupported, `format ""`},
		{"a version that begins like ours", map[string]string{"VERSION": "1\n2\n"}, fault.Unsupported, "format"},
		{"a version that is long", map[string]string{"VERSION": strings.Repeat("1", 1000)}, fault.Unsupported, "format"},
		{"a database of something else", map[string]string{"VERSION": "1\n", "db/CURRENT": "MANIFEST-000001\n"}, fault.Unavailable, "format major version"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, row.files)
			before := listing(t, dir)
			_, err := pebble.Open(dir, small)
			if fault.KindOf(err) != row.kind || !strings.Contains(err.Error(), row.says) || !strings.Contains(err.Error(), dir) {
				t.Errorf("error = %v (%v), want %v that says %q", err, fault.KindOf(err), row.kind, row.says)
			}
			if got := listing(t, dir); row.kind != fault.Unavailable && !slices.Equal(got, before) {
				t.Errorf("the folder was changed:\n%v\n%v", before, got)
			}
		})
	}
}

func TestOpen_takesANewFolderThatItsHolderHasLocked(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"LOCK": "123", "VERSION.new": "half"})
	s := open(t, dir, small)
	mustApply(t, s, storetest.Step("a", 0, 1))
	if got, err := os.ReadFile(filepath.Join(dir, "VERSION")); err != nil || string(got) != "1\n" {
		t.Errorf("VERSION = %q, %v", got, err)
	}
}

func TestOpen_makesMissingFolders(t *testing.T) {
	open(t, filepath.Join(t.TempDir(), "a", "b"), small)
}

func TestOpen_ofAFileSaysThatItIsNoFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := pebble.Open(path, small); fault.KindOf(err) != fault.Invalid {
		t.Errorf("error = %v, want invalid", err)
	}
}

func TestOpen_refusesASecondHolder(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, small)
	_, err := pebble.Open(dir, small)
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "in use") {
		t.Errorf("error = %v, want unavailable", err)
	}
	mustApply(t, s, storetest.Step("a", 0, 1))
}

func TestOpen_findsWhatWasWrittenBefore(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, small)
	first := storetest.Step("a", 0, 2)
	mustApply(t, s, first)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, small)
	if applied, err := storetest.Apply(s, first); err != nil || !applied.Repeat || applied.Version != 2 {
		t.Errorf("the command after reopening = %+v, %v, want its first answer", applied, err)
	}
	mustApply(t, s, storetest.Step("a", 2, 1))
}

func TestOpenReadOnly_readsAndRefusesWrites(t *testing.T) {
	dir := t.TempDir()
	if _, err := pebble.Open(dir, pebble.Options{ReadOnly: true}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("read-only open of nothing: error = %v, want not found", err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		t.Errorf("it made %v, %v", names, err)
	}

	s := open(t, dir, small)
	mustApply(t, s, storetest.Step("a", 0, 2))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, pebble.Options{ReadOnly: true})
	if snap, err := s.Load(t.Context(), "a"); err != nil || snap.Version != 2 {
		t.Errorf("load: %+v, %v", snap, err)
	}
	if _, err := storetest.Apply(s, storetest.Step("a", 2, 1)); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("apply: error = %v, want unavailable", err)
	}
	if _, err := s.PutBlob(t.Context(), "", strings.NewReader("x")); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("put blob: error = %v, want unavailable", err)
	}
	if info, err := s.Info(t.Context()); err != nil || info.ReadOnly == "" {
		t.Errorf("info: %+v, %v", info, err)
	}
}
