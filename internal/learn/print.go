package learn

import (
	"fmt"
	"io"
	"strings"
)

// Print writes the policy as YAML, with a comment on each grant.
func (l Lesson) Print(w io.Writer) error {
	notes := map[string]string{}
	for i, p := range l.Policy.Filesystem.Read {
		notes[fmt.Sprintf("/filesystem/read/%d", i)] = l.comment(p, false)
	}
	for i, p := range l.Policy.Filesystem.Write {
		notes[fmt.Sprintf("/filesystem/write/%d", i)] = l.comment(p, true)
	}
	return l.Policy.PrintNoted(w, notes)
}

// comment is what to know about one path of the policy.
func (l Lesson) comment(p string, write bool) string {
	for _, s := range l.Grants {
		if s.Path == p && s.Write == write {
			return fmt.Sprintf("%s: %s (%s)", s.Verdict, s.Why, strings.Join(s.Seen, ", "))
		}
	}
	return "given"
}
