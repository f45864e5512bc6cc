package main

import (
	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
	"github.com/bulkhead-dev/bulkhead/internal/service"
	"github.com/bulkhead-dev/bulkhead/internal/workspace"
)

// workspaceCommit gives the host what a workspace holds.
func (p program) workspaceCommit() *cobra.Command {
	var protected []string
	var filter workspace.Filter
	cmd := &cobra.Command{
		Use:   "commit WORKSPACE [PATH...]",
		Short: "Take over what a workspace would change",
		Long: `Write what a workspace holds to the folders under it: everything, or the given
paths and what is beneath them. Each file is replaced in one step.

Left out, and told, are protected paths that are not named with
--allow-protected, links that lead out of the folder, pipes, sockets and devices,
and what changed on the host since the workspace began. The exit code is 1 when
something was left out; the workspace then stays.`,
		Example: `  bulkhead workspace commit try
  bulkhead workspace commit try ./src
  bulkhead workspace commit try --allow-protected ./.vscode`,
		Args: func(cmd *cobra.Command, args []string) error {
			return wants("WORKSPACE")(cmd, args[:min(1, len(args))])
		},
		ValidArgsFunction: p.completeWorkspace,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if filter.Allow, err = absolute(protected); err != nil {
				return err
			}
			if filter.Only, err = absolute(args[1:]); err != nil {
				return err
			}
			return p.withSandboxes(func(s *service.Sandboxes) error {
				return p.commit(cmd, s, args[0], filter)
			})
		},
	}
	bindProtected(cmd, &protected)
	cmd.Flags().BoolVar(&filter.Force, "force", false, "also over what changed on the host since the workspace began")
	return cmd
}

func (p program) commit(cmd *cobra.Command, s *service.Sandboxes, name string, filter workspace.Filter) error {
	written, err := s.CommitWorkspace(cmd.Context(), name, filter)
	if err != nil {
		if n := len(written.Outcome.Done); n > 0 {
			p.complain("committed before it failed: %s", number(n, "change"))
		}
		return err
	}
	if wantsJSON(cmd) {
		err = p.json(wire.Written(written))
	} else {
		for _, c := range written.Outcome.Done {
			if err := p.say("%s", changeLine(c)); err != nil {
				return err
			}
		}
		for _, h := range written.Outcome.Held {
			p.complain("held back: %s: %s", oneLine(h.Change.Path), oneLine(h.Why))
		}
	}
	if err == nil && len(written.Outcome.Held) > 0 {
		return exitStatus(fault.Failed.Row().Exit)
	}
	return err
}
