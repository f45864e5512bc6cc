package main

import (
	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
	"github.com/bulkhead-dev/bulkhead/internal/service"
)

// workspaceFork makes a second workspace.
func (p program) workspaceFork() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "fork WORKSPACE",
		Short: "Begin a second workspace where one is now",
		Long: `Make a second workspace that begins where the first is now. What was written so
far is frozen and shared by both; what is written later belongs to each alone. A
fork in which nothing is run is a snapshot. Prints the name of the fork.`,
		Example: `  bulkhead workspace fork try --name other
  bulkhead exec --workspace . --overlay --name "$(bulkhead workspace fork try)" -- make test`,
		Args:              wants("WORKSPACE"),
		ValidArgsFunction: p.completeWorkspace,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withSandboxes(func(s *service.Sandboxes) error {
				fork, err := s.ForkWorkspace(args[0], name)
				if err != nil {
					return err
				}
				if wantsJSON(cmd) {
					return p.json(wire.Workspace(fork))
				}
				return p.say("%s", fork.Name)
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "`WORKSPACE` to make (default: a new name)")
	return cmd
}
