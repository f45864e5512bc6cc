package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
	"github.com/bulkhead-dev/bulkhead/internal/service"
	"github.com/bulkhead-dev/bulkhead/internal/workspace"
)

// workspaceList lists workspaces.
func (p program) workspaceList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List workspaces",
		Example: `  bulkhead workspace list
  bulkhead workspace list --json | jq -r '.workspaces[].name'`,
		Args: wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withSandboxes(func(s *service.Sandboxes) error {
				all, broken := s.Workspaces()
				if broken != nil && all == nil {
					return broken
				}
				if broken != nil {
					p.complain("%s", broken)
				}
				if wantsJSON(cmd) {
					return p.json(wire.Workspaces(all))
				}
				return p.printWorkspaces(all)
			})
		},
	}
}

func (p program) printWorkspaces(all []workspace.Info) error {
	if len(all) == 0 {
		p.complain("there are no workspaces")
		return nil
	}
	t := table{{"WORKSPACE", "CREATED", "LAYERS", "FOLDERS"}}
	for _, w := range all {
		layers := 0
		var folders []string
		for _, f := range w.Folders {
			layers = max(layers, len(f.Layers)+1)
			folders = append(folders, f.Source)
		}
		t = append(t, []string{w.Name, shortTime(wire.Time(w.Created)), fmt.Sprint(layers), strings.Join(folders, " ")})
	}
	return p.print(t.String())
}
