package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/internal/daemon"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
	"github.com/bulkhead-dev/bulkhead/internal/service"
)

// explain prints the plan of a command.
func (p program) explain() *cobra.Command {
	var flags policyFlags
	var over overlayFlags
	var workdir string

	cmd := &cobra.Command{
		Use:   "explain [flags] -- CMD [ARG...]",
		Short: "Print how a command would be sandboxed, and start nothing",
		Long: `Print the plan by which a command would be started under a policy: the walls in
the order in which they go up, and every kernel call. The same plan is what exec
runs. Nothing is started.`,
		Example: `  bulkhead explain -- true
  bulkhead explain --workspace . --overlay -- make
  bulkhead explain --policy policy.yaml --read ~/src -- make`,
		Args: wantsCommand,
		RunE: func(cmd *cobra.Command, args []string) error {
			pol, err := flags.policy()
			if err != nil {
				return err
			}
			sandboxes, err := daemon.Sandboxes(p.getenv)
			if err != nil {
				return err
			}
			defer sandboxes.Close()
			plan, err := sandboxes.Explain(cmd.Context(), service.Command{Policy: pol, PolicyFile: flags.path(), Args: args, Dir: workdir, Workspace: over.workspace, Overlay: over.overlay})
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return p.json(wire.Explanation(plan))
			}
			return p.printPlan(plan)
		},
	}
	flags.bind(cmd)
	over.bind(cmd)
	cmd.Flags().StringVar(&workdir, "workdir", "", "`DIR` inside the sandbox to start in (default: the work folder)")
	cmd.Flags().SetInterspersed(false)
	return cmd
}

// printPlan prints the walls as a table, and below it the kernel calls.
func (p program) printPlan(plan service.Explanation) error {
	var b strings.Builder
	fmt.Fprintf(&b, "layer %s, %d steps\n\n", plan.Layer, len(plan.Steps))

	t := table{{"STEP", "STATUS", "DETAIL"}}
	for _, s := range plan.Steps {
		t = append(t, []string{s.Name, s.Status, s.Detail})
	}
	b.WriteString(t.String())

	if plan.Program != "" {
		fmt.Fprintf(&b, "\nkernel calls, in order:\n\n%s", plan.Program)
	}
	return p.say("%s", strings.TrimRight(b.String(), "\n"))
}
