package main

import "github.com/spf13/cobra"

// blueprint holds the commands on bundles.
func (p program) blueprint() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "blueprint",
		Short: "Check, review and run bundles",
		Long: `Check, review and run bundles. A bundle is a folder with manifest.json and
payloads/; it describes a graph of nodes that exchange messages, and each worker
of it runs in a sandbox.`,
		Example: `  bulkhead blueprint validate ./bundle
  bulkhead blueprint review ./bundle
  bulkhead blueprint run --folder ./bundle --set tree=/usr/share/doc`,
	})
	cmd.AddCommand(p.blueprintValidate(), p.blueprintReview(), p.blueprintRun())
	return cmd
}
