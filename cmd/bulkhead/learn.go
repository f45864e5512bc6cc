package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/internal/daemon"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/learn"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
	"github.com/bulkhead-dev/bulkhead/internal/service"
)

// learn finds the policy that a command needs.
func (p program) learn() *cobra.Command {
	var flags policyFlags
	var folder, workdir string
	var rounds int

	cmd := &cobra.Command{
		Use:   "learn [flags] -- CMD [ARG...]",
		Short: "Find the smallest policy under which a command passes",
		Long: `Run a command again and again in a sandbox, each time with the grants that the
last refusals name, until it passes (exit code 0) or nothing new is refused; then
without each of them, to keep only what it needs. Prints the policy, with a
comment on each grant: "ok", or "look" where a person should.

The command is confined all the time, and what it writes to your folders is
thrown away. It decides what it asks for: read the policy before you use it.
Secrets, hidden files, sockets, whole homes and the like are never proposed;
they are listed as refused. Nothing is applied.`,
		Example: `  bulkhead learn -- python3 -c 'open("/etc/fstab").read()'
  bulkhead learn --workspace . -- make test
  bulkhead learn -- ./tool --config /srv/tool/conf > policy.yaml`,
		Args: wantsCommand,
		RunE: func(cmd *cobra.Command, args []string) error {
			pol, err := flags.policy()
			if err != nil {
				return err
			}
			if rounds < 1 {
				return fault.New(fault.Invalid, "--max-rounds must be at least 1")
			}
			c := service.Command{Policy: pol, PolicyFile: flags.path(), Args: args, Dir: workdir, Workspace: folder}
			return p.runLearn(cmd, c, rounds)
		},
	}
	flags.bind(cmd)
	cmd.Flags().StringVar(&folder, "workspace", "", "`FOLDER` of yours that is its work folder, /work; what it writes there is thrown away")
	cmd.Flags().StringVar(&workdir, "workdir", "", "`DIR` inside the sandbox to start in (default: the work folder)")
	cmd.Flags().IntVar(&rounds, "max-rounds", 30, "run it at most `N` times")
	_ = cmd.MarkFlagDirname("workspace")
	cmd.Flags().SetInterspersed(false)
	return cmd
}

func (p program) runLearn(cmd *cobra.Command, c service.Command, rounds int) error {
	ctx, caught, stop := interruptible(cmd.Context())
	defer stop()
	sandboxes, err := daemon.Sandboxes(p.getenv)
	if err != nil {
		return err
	}
	defer sandboxes.Close()

	tell := p.complain
	if wantsJSON(cmd) {
		tell = nil
	}
	lesson, err := sandboxes.Learn(ctx, c, rounds, tell)
	if caught() != 0 && err != nil {
		return fault.New(fault.Interrupted, "interrupted")
	}
	if err != nil {
		return err
	}
	if wantsJSON(cmd) {
		m, err := wire.Learned(lesson)
		if err == nil {
			err = p.json(m)
		}
		if err != nil {
			return err
		}
	} else if err := p.printLesson(lesson); err != nil {
		return err
	}
	if !lesson.Passed {
		return exitStatus(fault.Failed.Row().Exit)
	}
	return nil
}

// printLesson prints the policy, and on stderr what else there is to know.
func (p program) printLesson(l learn.Lesson) error {
	var yaml strings.Builder
	if err := l.Print(&yaml); err != nil {
		return err
	}
	if err := p.print(yaml.String()); err != nil {
		return err
	}
	for _, s := range l.Refused {
		p.complain("refused, not proposed: %s %s: %s", oneLine(strings.Join(s.Seen, ", ")), oneLine(s.Path), oneLine(s.Why))
	}
	if l.Passed {
		p.complain("it passes under this policy; runs: %d. Nothing was applied", l.Rounds)
		return nil
	}
	if text := strings.TrimSpace(string(l.Last.Stderr)); text != "" {
		p.complain("the last lines that it wrote:")
		p.complain("%s", lastLines(text, 5))
	}
	p.complain("%s", l.Note)
	return nil
}

// lastLines are the last n lines of a text.
func lastLines(text string, n int) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
