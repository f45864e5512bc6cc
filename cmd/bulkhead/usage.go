package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// group makes a command that only holds others: alone it shows its help, and
// an unknown word is an error with the nearest known one.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return unknown(cmd, "command", args[0], commandNames(cmd), "")
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

// unknown is the error for a word that the command does not know.
func unknown(cmd *cobra.Command, what, got string, known []string, prefix string) error {
	err := fault.Newf(fault.Invalid, "unknown %s %q for %s", what, prefix+got, cmd.CommandPath())
	if nearest := fault.Nearest(got, known); nearest != "" {
		return err.WithHint("did you mean '%s'?", prefix+nearest)
	}
	return err.WithHint("run '%s --help'", cmd.CommandPath())
}

func commandNames(cmd *cobra.Command) []string {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}

// flagError turns what the flag parser says into a usage error with a hint.
func flagError(cmd *cobra.Command, err error) error {
	if name, ok := strings.CutPrefix(err.Error(), "unknown flag: --"); ok {
		return unknown(cmd, "flag", name, flagNames(cmd), "--")
	}
	return fault.New(fault.Invalid, err.Error()).WithHint("run '%s --help'", cmd.CommandPath())
}

func flagNames(cmd *cobra.Command) []string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

// wants checks the number of arguments: exactly the named ones.
func wants(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return fault.Newf(fault.Invalid, "%s wants %s", cmd.CommandPath(), strings.Join(names, " ")).
				WithHint("run '%s --help'", cmd.CommandPath())
		}
		if len(args) > len(names) {
			return fault.Newf(fault.Invalid, "%s does not want %q", cmd.CommandPath(), args[len(names)]).
				WithHint("run '%s --help'", cmd.CommandPath())
		}
		return nil
	}
}

// wantsCommand checks that there is a command to run.
func wantsCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 || args[0] == "" {
		return fault.Newf(fault.Invalid, "%s wants a command", cmd.CommandPath()).
			WithHint("for example: %s -- ls /", cmd.CommandPath())
	}
	return nil
}
