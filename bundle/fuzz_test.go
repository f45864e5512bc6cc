package bundle

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// FuzzManifest feeds manifests of our dialect to the reader: it never panics,
// and what it accepts is a graph that validates, survives JSON, expands with
// values for its inputs, and can be reviewed.
func FuzzManifest(f *testing.F) {
	full, err := os.ReadFile("testdata/full/manifest.json")
	must(f, err)
	f.Add(full)
	f.Add([]byte(sound))
	f.Add([]byte(withInputs))
	for _, row := range brokenManifests {
		if row.old != "" {
			f.Add([]byte(strings.Replace(sound, row.old, row.new, 1)))
		}
	}
	f.Fuzz(func(t *testing.T, manifest []byte) {
		payloads := scan{kinds: map[string]os.FileMode{"split.py": 0, "worker": os.ModeDir}}
		p := parseManifest("manifest.json", manifest, &payloads, nil)
		if len(p.problems) > 0 {
			return
		}
		accepted(t, p.graph)
	})
}

// accepted holds what is true of every graph that was accepted.
func accepted(t *testing.T, g Graph) {
	t.Helper()
	if problems := g.Validate(); len(problems) > 0 {
		t.Errorf("the graph does not validate: %v", problems)
	}
	data, err := json.Marshal(g)
	must(t, err)
	var back Graph
	must(t, json.Unmarshal(data, &back))
	again, err := json.Marshal(back)
	must(t, err)
	if string(again) != string(data) {
		t.Errorf("a trip through JSON makes %s of %s", again, data)
	}

	values := map[string]json.RawMessage{}
	for name := range g.Inputs {
		values[name] = json.RawMessage(`"/srv"`)
	}
	if expanded, err := g.Expand(values); err == nil {
		for _, line := range Review(&Bundle{Graph: expanded}) {
			if strings.ContainsAny(line.Value+line.Subject, "\x00\x1b\n") {
				t.Errorf("line %+v would not print as it is", line)
			}
		}
	}
}
