package policy

import (
	"fmt"
	"strings"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// Excess is one thing that a request asks for beyond its ceiling.
type Excess struct {
	Pointer string // JSON pointer into the request
	Asked   string // in words: to read "/x", for memory 4G
	Flag    string // what grants it: --read /x, or a line for a --policy file
}

// String is one line: what was asked and what would grant it.
func (e Excess) String() string {
	return fmt.Sprintf("asks %s, which was not granted; grant it with %s", e.Asked, e.Flag)
}

// Refuse is the error for a request that asked for too much: a fault.Denied
// with a line for each excess. Who names who asked, for example a node; empty
// is left out. It is nil when there is no excess.
func Refuse(who string, excess []Excess) error {
	if len(excess) == 0 {
		return nil
	}
	lines, flags := make([]string, len(excess)), make([]string, len(excess))
	for i, e := range excess {
		lines[i], flags[i] = e.String(), e.Flag
		if who != "" {
			lines[i] = who + " " + lines[i]
		}
	}
	return fault.New(fault.Denied, strings.Join(lines, "\n")).
		WithHint("to grant all of it: %s", strings.Join(flags, " "))
}
