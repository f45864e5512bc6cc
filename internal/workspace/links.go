package workspace

import (
	"path"
	"strings"
)

// leadsOut says why a link may not be given to the host; empty: it stays in
// the folder whatever other links do. Only such a link may climb, and only at
// its beginning: there the folders are real, while behind a name there may be
// another link, so that the same number of steps up leads elsewhere.
func leadsOut(rel, target string) string {
	const out = "it is a link that leads out of the folder"
	if target == "" || path.IsAbs(target) {
		return out
	}
	room := strings.Count(rel, "/") // how far up the folder of the link lies
	climbing := true
	for name := range strings.SplitSeq(target, "/") {
		switch {
		case name == "" || name == ".":
		case name != "..":
			climbing = false
		case !climbing:
			return "it is a link that goes down and up again"
		default:
			if room--; room < 0 {
				return out
			}
		}
	}
	return ""
}
