package main

import (
	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/internal/daemon"
	"github.com/bulkhead-dev/bulkhead/internal/service"
)

// workspace is the group of commands on what overlays keep.
func (p program) workspace() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "workspace",
		Short: "Look at, take over or throw away what was written to overlays",
		Long: `A workspace is what commands wrote over an overlay: 'bulkhead exec --overlay'.
The folders themselves were not written. Look at the differences, take over what
you want, or throw them away.`,
		Example: `  bulkhead exec --workspace . --overlay --name try -- make
  bulkhead workspace diff try
  bulkhead workspace commit try`,
	})
	cmd.AddCommand(p.workspaceList(), p.workspaceDiff(), p.workspaceCommit(), p.workspaceDiscard(), p.workspaceFork())
	return cmd
}

// withSandboxes does something with the actions on sandboxes.
func (p program) withSandboxes(f func(*service.Sandboxes) error) error {
	sandboxes, err := daemon.Sandboxes(p.getenv)
	if err != nil {
		return err
	}
	defer sandboxes.Close()
	return f(sandboxes)
}

// completeWorkspace completes the names of workspaces.
func (p program) completeWorkspace(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	_ = p.withSandboxes(func(s *service.Sandboxes) error {
		all, _ := s.Workspaces()
		for _, w := range all {
			names = append(names, w.Name)
		}
		return nil
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}
