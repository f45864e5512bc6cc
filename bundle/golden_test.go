package bundle

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file under testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		must(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs; if that is right, run the test with -update\n%s", path, diff)
	}
}

// graphText is a graph as a golden file holds it.
func graphText(t *testing.T, g Graph) string {
	t.Helper()
	data, err := json.MarshalIndent(g, "", "  ")
	must(t, err)
	return string(data) + "\n"
}

func TestLoad_readsEveryKey(t *testing.T) {
	b := loadSound(t, "testdata/full")
	golden(t, "full.graph.json", graphText(t, b.Graph))
	if len(b.Warnings) > 0 {
		t.Errorf("Warnings = %v, want none", b.Warnings)
	}
}

func TestGraph_survivesJSON(t *testing.T) {
	g := loadSound(t, "testdata/full").Graph
	data, err := json.Marshal(g)
	must(t, err)
	var back Graph
	must(t, json.Unmarshal(data, &back))
	if diff := cmp.Diff(graphText(t, g), graphText(t, back)); diff != "" {
		t.Error(diff)
	}
	if problems := back.Validate(); len(problems) > 0 {
		t.Error(problems)
	}
}

func TestReview_ofTheFullExample(t *testing.T) {
	b := loadSound(t, "testdata/full")
	b.Digest = "sha256:…" // the modes of a checkout are its owner's
	golden(t, "full.review.txt", reviewText(Review(b)))
}

// reviewText is a review as a golden file holds it.
func reviewText(lines []Line) string {
	var s strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&s, "%-6s %s: %s: %s", l.Verdict, l.Subject, l.Topic, l.Value)
		if l.Why != "" {
			fmt.Fprintf(&s, " (%s)", l.Why)
		}
		s.WriteByte('\n')
	}
	return s.String()
}

func TestManifestReference_showsTheFullExample(t *testing.T) {
	doc, err := os.ReadFile("../docs/manifest.md")
	must(t, err)
	example, err := os.ReadFile("testdata/full/manifest.json")
	must(t, err)
	if !strings.Contains(string(doc), "```json\n"+string(example)+"```\n") {
		t.Error("docs/manifest.md does not show testdata/full/manifest.json as it is")
	}
}

// keysOf lists the keys of a table.
func keysOf(tables ...fields) []string {
	var keys []string
	for _, table := range tables {
		for key := range table {
			keys = append(keys, key)
		}
	}
	return keys
}

func TestManifestReference_namesEveryKey(t *testing.T) {
	doc, err := os.ReadFile("../docs/manifest.md")
	must(t, err)
	d := &decoder{}
	for _, key := range keysOf(d.aggregator(nil), d.executor(&Node{})) {
		if !strings.Contains(string(doc), "`"+key+"`") {
			t.Errorf("docs/manifest.md does not name `%s`", key)
		}
	}
}
