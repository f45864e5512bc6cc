package all

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/bulkhead-dev/bulkhead/bundle"
)

// write makes a bundle's folder with a manifest and files under payloads/.
func write(t *testing.T, manifest string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "manifest.json"), []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "payloads"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, "payloads", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoad_takesOurDialectAndTheForeignOne(t *testing.T) {
	for name, manifest := range map[string]string{
		"bulkhead/v1": `{"apiVersion": "bulkhead/v1", "id": "one", "entrypoints": ["run"],
			"nodes": [{"id": "run", "type": "executor", "config": {"command": ["true"]}}]}`,
		"mirrorneuron/classic": `{"manifest_version": "1.0", "graph_id": "one", "entrypoints": "run",
			"nodes": [{"node_id": "run", "agent_type": "executor", "config": {"command": ["true"]}}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			b, err := Load(write(t, manifest, nil))
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()

			if b.Dialect != name {
				t.Errorf("Dialect = %q, want %q", b.Dialect, name)
			}
			if got := string(b.Graph.Nodes[0].ID); got != "run" {
				t.Errorf("first node = %q, want run", got)
			}
		})
	}
}

func TestLoad_takesTheExampleOfTheProject(t *testing.T) {
	b, err := Load("../../examples/repo-audit")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()

	if len(b.Warnings) > 0 {
		t.Errorf("warnings: %v", b.Warnings)
	}
	lines := bundle.Review(b)
	if bundle.Worst(lines) == bundle.Danger {
		t.Errorf("its review finds a danger: %+v", lines)
	}
	if _, err := b.Graph.Expand(nil); err != nil {
		t.Errorf("it needs values of the operator: %v", err)
	}
}
