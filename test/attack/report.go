//go:build linux

package attack

import (
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/jail"
)

// reportedAs are walls that the report has under another name.
var reportedAs = map[string]string{
	pidNS:          jail.StepNamespaces,
	mountNS:        jail.StepNamespaces,
	ipcNS:          jail.StepNamespaces,
	utsNS:          jail.StepNamespaces,
	jail.StepFiles: jail.StepStdio,
}

// unreported are the walls that the row says stop it, and that the report of
// the cell's sandbox, which had them all, does not name as enforced.
func (c *cell) unreported(r row) []string {
	if len(c.result.Report.Steps) == 0 {
		return nil // the row did not keep the result
	}
	return slices.DeleteFunc(r.stops(), func(wall string) bool {
		if name := reportedAs[wall]; name != "" {
			wall = name
		}
		return slices.ContainsFunc(c.result.Report.Steps, func(s event.Step) bool {
			return (s.Name == wall || strings.HasPrefix(s.Name, wall+" ")) && s.Status == event.Enforced
		})
	})
}
