package mirrorneuron

import (
	"fmt"
	"strings"
	"testing"
)

// many joins n texts that are made from their number.
func many(n int, format string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(all, ",")
}

// TestLower_endsQuicklyOnHostileManifests would take minutes or all memory if
// the work grew with the square of the manifest; the test's own time limit
// would end it.
func TestLower_endsQuicklyOnHostileManifests(t *testing.T) {
	const head = `{"manifest_version": "1.0", "graph_id": "g", `
	nodes := `"nodes": [` + many(3_000, `{"node_id": "node-%d", "agent_type": "router"}`) + `]`
	entrypoints := `"entrypoints": [` + many(3_000, `"node-%d"`) + `]`
	for _, row := range []struct{ name, manifest, want string }{
		{"edges to nowhere", head + nodes + `, "entrypoints": "node-1", "edges": [` + many(10_000, `{"from_node": "nodf-%d", "to_node": "x", "message_type": "*"}`) + `]}`, "references missing"},
		{"too many nodes", head + `"nodes": [` + many(10_001, `{"node_id": "n%d"}`) + `]}`, "has 10001 nodes; at most 10000 are allowed"},
		{"a message for each pair", head + nodes + "," + entrypoints + `, "initial_inputs": [` + many(10_000, `%d`) + `]}`, "more than 10000 initial messages"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, _, problems := Lower("m.json", []byte(row.manifest))
			if len(problems) == 0 || !strings.Contains(problems.Error(), row.want) {
				t.Errorf("problems = %.300v, want one that says %q", problems, row.want)
			}
		})
	}
}
