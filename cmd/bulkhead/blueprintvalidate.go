package main

import (
	"github.com/spf13/cobra"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/daemon"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
)

// blueprintValidate lists everything wrong with a bundle.
func (p program) blueprintValidate() *cobra.Command {
	return &cobra.Command{
		Use:   "validate DIR",
		Short: "List everything that is wrong with a bundle",
		Long: `List everything that is wrong with a bundle, each with its place in the manifest
and a fix. Nothing of the bundle is run. The exit code is 1 when it has problems,
and 2 when there is no bundle to look at.`,
		Example:           "  bulkhead blueprint validate ./bundle\n  bulkhead blueprint validate ./bundle --json | jq .problems",
		Args:              wants("DIR"),
		ValidArgsFunction: completeFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := daemon.Blueprints().Validate(args[0])
			if err != nil {
				return err
			}
			msg := wire.Validation(v)
			if wantsJSON(cmd) {
				err = p.json(msg)
			} else {
				err = p.print(validationText(args[0], msg))
			}
			if err != nil || msg.GetOk() {
				return err
			}
			return exitStatus(1)
		},
	}
}

func validationText(dir string, v *apiv1.Validation) string {
	text := ""
	for _, w := range v.GetWarnings() {
		text += "warning: " + problemLine(w) + "\n"
	}
	for _, pr := range v.GetProblems() {
		text += problemLine(pr) + "\n"
	}
	if v.GetOk() {
		return text + oneLine(dir) + " is a valid bundle (" + v.GetDialect() + ", " + v.GetDigest() + ")\n"
	}
	return text
}

// problemLine is a problem for people, on one line.
func problemLine(pr *apiv1.Problem) string {
	return oneLine(wire.FromProblem(pr).String())
}
