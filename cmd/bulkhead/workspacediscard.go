package main

import (
	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
	"github.com/bulkhead-dev/bulkhead/internal/service"
)

// workspaceDiscard throws workspaces away.
func (p program) workspaceDiscard() *cobra.Command {
	return &cobra.Command{
		Use:   "discard WORKSPACE",
		Short: "Throw away what a workspace holds",
		Long:  "Throw a workspace away with everything that was written. The folders under it stay as they are.",
		Example: `  bulkhead workspace discard try
  bulkhead workspace list --json | jq -r '.workspaces[].name' | xargs -n 1 bulkhead workspace discard`,
		Args:              wants("WORKSPACE"),
		ValidArgsFunction: p.completeWorkspace,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withSandboxes(func(s *service.Sandboxes) error {
				if err := s.DiscardWorkspace(args[0]); err != nil {
					return err
				}
				if wantsJSON(cmd) {
					return p.json(wire.Written(service.Written{Name: args[0]}))
				}
				return nil
			})
		},
	}
}
