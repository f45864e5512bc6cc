package workspace

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Links that pass one by one may lead through each other. Together they still
// must not lead out.
func TestLeadsOut_holdsForLinksThroughLinks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 40 {
		root, err := filepath.EvalSymlinks(t.TempDir())
		must(t, err)
		dirs := []string{".", "a", "b", "a/c", "a/c/d"}
		for _, d := range dirs {
			must(t, os.MkdirAll(filepath.Join(root, d), 0o755))
		}
		var links []string
		for i := range 25 {
			rel := filepath.Join(dirs[r.IntN(len(dirs))], fmt.Sprintf("l%d", i))
			target := randomTarget(r, i)
			if leadsOut(rel, target) == "" && os.Symlink(target, filepath.Join(root, rel)) == nil {
				links = append(links, rel)
			}
		}
		for _, rel := range links {
			real, err := filepath.EvalSymlinks(filepath.Join(root, rel))
			if err == nil && !within(real, root) {
				target, _ := os.Readlink(filepath.Join(root, rel))
				t.Errorf("round %d: %s -> %s leads to %s\n%s", round, rel, target, real, listing(t, root))
			}
		}
	}
}

// randomTarget is a path of names, links and steps up.
func randomTarget(r *rand.Rand, links int) string {
	var parts []string
	for range 1 + r.IntN(5) {
		switch r.IntN(4) {
		case 0, 1:
			parts = append(parts, "..")
		case 2:
			parts = append(parts, []string{"a", "b", "c", "d", "."}[r.IntN(5)])
		default:
			parts = append(parts, fmt.Sprintf("l%d", r.IntN(links+1)))
		}
	}
	return strings.Join(parts, "/")
}
