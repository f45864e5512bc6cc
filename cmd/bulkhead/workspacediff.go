package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
	"github.com/bulkhead-dev/bulkhead/internal/service"
)

// workspaceDiff tells what was written.
func (p program) workspaceDiff() *cobra.Command {
	return &cobra.Command{
		Use:   "diff WORKSPACE",
		Short: "Tell what a workspace would change",
		Long: `Tell what differs between a workspace and the folders under it, one path a line:
A added, M changed, D removed, P other permissions. A rename is a removal and an
addition. Protected paths are marked; a commit leaves them out.`,
		Example: `  bulkhead workspace diff try
  bulkhead workspace diff try --json | jq -r '.changes[].path'`,
		Args:              wants("WORKSPACE"),
		ValidArgsFunction: p.completeWorkspace,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withSandboxes(func(s *service.Sandboxes) error {
				changes, err := s.Diff(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if wantsJSON(cmd) {
					return p.json(wire.Changes(args[0], changes))
				}
				var b strings.Builder
				for _, c := range changes {
					b.WriteString(changeLine(c) + "\n")
				}
				return p.print(b.String())
			})
		},
	}
}
