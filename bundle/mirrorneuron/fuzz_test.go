package mirrorneuron

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/bulkhead-dev/bulkhead/bundle"
)

// FuzzLower feeds manifests to Lower: it never panics, a graph without
// problems keeps its shape through JSON, and what it names exists.
func FuzzLower(f *testing.F) {
	classic, err := os.ReadFile("testdata/classic/manifest.json")
	must(f, err)
	f.Add(classic)
	f.Add([]byte(sound))
	for _, row := range brokenManifests {
		f.Add([]byte(row.new))
	}
	f.Fuzz(func(t *testing.T, manifest []byte) {
		g, _, problems := Lower("m.json", manifest)
		if len(problems) > 0 {
			return
		}
		known := map[string]bool{}
		for _, n := range g.Nodes {
			known[string(n.ID)] = true
		}
		for _, e := range g.Edges {
			if !known[string(e.From)] || !known[string(e.To)] {
				t.Errorf("edge %q connects %q and %q, which do not both exist", e.ID, e.From, e.To)
			}
		}
		for _, id := range g.Entrypoints {
			if !known[string(id)] {
				t.Errorf("entrypoint %q does not exist", id)
			}
		}
		data, err := json.Marshal(g)
		must(t, err)
		var back bundle.Graph
		must(t, json.Unmarshal(data, &back))
		if got, want := len(back.Validate()), len(g.Validate()); got != want {
			t.Errorf("%d problems after a trip through JSON, %d before", got, want)
		}
	})
}
