package main

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
)

// program is one run of the command line.
type program struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
}

// exitStatus ends the program with a code and no message: what there was to
// say has been said.
type exitStatus int

// Error is never shown.
func (s exitStatus) Error() string { return "exit status" }

// run parses the arguments, runs one command and returns the exit code.
func (p program) run(args []string) int {
	root := p.root()
	root.SetArgs(args)
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)

	cmd, err := root.ExecuteContextC(context.Background())
	if err == nil {
		return 0
	}
	var status exitStatus
	if errors.As(err, &status) {
		return int(status)
	}
	p.report(err, asksForJSON(args))
	if cmd.Name() == "exec" {
		return execError(err)
	}
	return fault.ExitCode(err)
}

// asksForJSON also holds when the flags could not be parsed.
func asksForJSON(args []string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	return slices.Contains(args, "--json")
}

// report tells the user what went wrong: for people on stderr, for programs
// as one Error object on stdout.
func (p program) report(err error, asJSON bool) {
	if asJSON {
		_ = p.json(wire.Error(err))
		return
	}

	p.complain("%s", err)
	if hint := fault.HintOf(err); hint != "" {
		p.complain("hint: %s", hint)
	}
}

// json prints a message on a line of its own.
func (p program) json(m proto.Message) error {
	line, err := wire.JSON(m)
	if err != nil {
		return fault.Newf(fault.Internal, "print json: %w", err)
	}
	_, err = p.out.Write(append(line, '\n'))
	return outputError(err)
}

// root is the tree of commands.
func (p program) root() *cobra.Command {
	root := group(&cobra.Command{
		Use:   "bulkhead",
		Short: "Run agent workflows and untrusted commands, each step in its own sandbox",
		Long: `Bulkhead runs agent workflows and untrusted commands, each step in its own
watertight compartment. A sandbox starts from default deny: files, network,
environment and host resources exist only where the policy grants them.`,
		Example: `  bulkhead exec -- sh -c 'id; ls /'
  bulkhead exec --read ~/src --memory 512M --timeout 1m -- python3 ~/src/tool.py
  bulkhead blueprint review ./bundle
  bulkhead blueprint run --folder ./bundle`,
		SilenceErrors: true,
		SilenceUsage:  true,
	})
	root.PersistentFlags().Bool("json", false, "print one JSON object (streams: one a line) instead of text")
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(flagError)

	root.AddGroup(
		&cobra.Group{ID: "sandbox", Title: "Run a command in a sandbox:"},
		&cobra.Group{ID: "workflow", Title: "Run workflows:"},
	)
	root.AddCommand(
		grouped("sandbox", p.exec(), p.explain(), p.doctor(), p.selftest())...,
	)
	root.AddCommand(
		grouped("workflow", p.blueprint(), p.job())...,
	)
	root.AddCommand(p.version(), p.completion(), p.hold())
	return root
}

func grouped(id string, cmds ...*cobra.Command) []*cobra.Command {
	for _, c := range cmds {
		c.GroupID = id
	}
	return cmds
}

// wantsJSON reports whether the command was asked for JSON.
func wantsJSON(cmd *cobra.Command) bool {
	asked, _ := cmd.Flags().GetBool("json")
	return asked
}
