package main

import (
	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/internal/daemon"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
	"github.com/bulkhead-dev/bulkhead/internal/service"
)

// doctor prints what this host can enforce.
func (p program) doctor() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check what this host can enforce",
		Long: `Check what this host can enforce, layer by layer, and what to do about the rest.
It also starts /bin/true in a sandbox. The exit code is 1 when something that
every sandbox needs is missing.`,
		Example: "  bulkhead doctor\n  bulkhead doctor --json | jq '.capabilities[] | select(.ok | not)'",
		Args:    wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			sandboxes, err := daemon.Sandboxes(p.getenv)
			if err != nil {
				return err
			}
			defer sandboxes.Close()
			d := sandboxes.Doctor(cmd.Context())
			if wantsJSON(cmd) {
				err = p.json(wire.Doctor(d))
			} else {
				err = p.printDoctor(d)
			}
			if err != nil {
				return err
			}
			if !d.OK {
				return exitStatus(1)
			}
			return nil
		},
	}
}

func (p program) printDoctor(d service.Checkup) error {
	t := table{{"LAYER", "CHECK", "", "DETAIL"}}
	for _, c := range d.Checks {
		t = append(t, []string{string(c.Layer), c.Name, mark(c), c.Detail})
		if !c.OK && c.Remedy != "" {
			t = append(t, []string{"", "", "", "→ " + c.Remedy})
		}
	}

	verdict := "this host can run sandboxes"
	if !d.OK {
		verdict = "this host cannot run sandboxes"
	}
	return p.say("%s\n\n%s\n%s", d.Host, t.String(), verdict)
}

// mark is one word for how a check went.
func mark(c service.Check) string {
	switch {
	case c.OK:
		return "ok"
	case c.Required:
		return "MISSING"
	}
	return "absent"
}
