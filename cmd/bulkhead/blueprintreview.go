package main

import (
	"strings"

	"github.com/spf13/cobra"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/daemon"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
)

// blueprintReview lists what a person should look at before running a bundle.
func (p program) blueprintReview() *cobra.Command {
	return &cobra.Command{
		Use:   "review DIR",
		Short: "List what a bundle can do, before you run it",
		Long: `List what a person should check before running somebody's bundle: commands,
files, environment, network, retries, and files in payloads that are executable,
hidden, binary or install hooks. Each line has a verdict: ok, look or danger.
Nothing of the bundle is run. The exit code is 3 when something is a danger.`,
		Example:           "  bulkhead blueprint review ./bundle\n  bulkhead blueprint review ./bundle --json | jq '.lines[] | select(.verdict != \"ok\")'",
		Args:              wants("DIR"),
		ValidArgsFunction: completeFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := daemon.Blueprints().Review(args[0])
			if err != nil {
				return err
			}
			msg := wire.Review(r)
			if wantsJSON(cmd) {
				err = p.json(msg)
			} else {
				err = p.print(reviewText(msg))
			}
			if err != nil || msg.GetVerdict() != "danger" {
				return err
			}
			return exitStatus(fault.Danger.Row().Exit)
		},
	}
}

// reviewText is a review for people, the subject only where it changes.
func reviewText(r *apiv1.Review) string {
	var b strings.Builder
	b.WriteString("bundle " + oneLine(r.GetName()) + "  " + r.GetDigest() + "\n\n")

	t := table{{"", "SUBJECT", "TOPIC", "VALUE", "WHY"}}
	before := ""
	for _, l := range r.GetLines() {
		subject := l.GetSubject()
		if subject == before {
			subject = ""
		}
		before = l.GetSubject()
		t = append(t, []string{l.GetVerdict(), subject, l.GetTopic(), l.GetValue(), l.GetWhy()})
	}
	b.WriteString(t.String())
	b.WriteString("\nverdict: " + r.GetVerdict() + "\n")
	return b.String()
}
