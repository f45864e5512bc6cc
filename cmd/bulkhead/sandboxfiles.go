package main

import (
	"context"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/daemon"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
)

// sandboxCopy copies files.
func (p program) sandboxCopy() *cobra.Command {
	return &cobra.Command{
		Use:   "cp FROM TO",
		Short: "Copy a file or a folder into a sandbox or out of it",
		Long: `Copy a file or a folder into a sandbox or out of it. One of the two is NAME:PATH,
where a relative path begins in the work folder. As with cp, a folder that is
there gets what is copied beneath it; a source that ends in /. means its content.

Out of a sandbox nothing is written beside the place that you name, whatever the
sandbox holds: links that lead out of the folder make the copy fail. Sockets,
pipes and devices are left out. A path on this host with a colon: ./a:b.`,
		Example: `  bulkhead sandbox cp ./src box:
  bulkhead sandbox cp box:/work/report.html .
  bulkhead sandbox cp box:out/. ./results`,
		Args: wants("FROM", "TO"),
		RunE: func(cmd *cobra.Command, args []string) error {
			req, err := copyRequest(args[0], args[1])
			if err != nil {
				return err
			}
			return p.withSandbox(cmd, req.GetName(), func(ctx context.Context, k *daemon.Kept) error {
				done, err := k.CopySandboxFiles(ctx, connect.NewRequest(req))
				if err != nil {
					return err
				}
				if wantsJSON(cmd) {
					return p.json(done.Msg)
				}
				return p.tellCopied(done.Msg)
			})
		},
	}
}

// tellCopied says what was left out.
func (p program) tellCopied(c *apiv1.CopySandboxFilesResponse) error {
	if c.GetLeft() > 0 {
		p.complain("left out: %.0f sockets, pipes, devices or links that lead elsewhere", c.GetLeft())
	}
	return p.say("%.0f files, %s: %s", c.GetEntries(), sizeText(c.GetBytes()), c.GetPath())
}

// inSandbox is a path in a sandbox.
var inSandbox = regexp.MustCompile(`^([a-z0-9][a-z0-9_.-]*):(.*)$`)

// workDir is where relative paths of a sandbox begin.
const workDir = "/work"

// copyRequest reads the two ends of a copy.
func copyRequest(from, to string) (*apiv1.CopySandboxFilesRequest, error) {
	source, target := inSandbox.FindStringSubmatch(from), inSandbox.FindStringSubmatch(to)
	if (source == nil) == (target == nil) {
		return nil, fault.New(fault.Invalid, "one of FROM and TO is in a sandbox, as NAME:PATH, and the other is not").
			WithHint("a path on this host that looks like one begins with ./")
	}
	req := &apiv1.CopySandboxFilesRequest{Out: source != nil}
	inside, host := target, from
	if source != nil {
		inside, host = source, to
	}
	req.Name, req.Path = inside[1], insidePath(inside[2])
	abs, err := filepath.Abs(host)
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "current folder: %w", err)
	}
	if req.HostPath = abs; strings.HasSuffix(host, "/.") || host == "." && !req.GetOut() {
		req.HostPath += "/."
	}
	return req, nil
}

// insidePath makes a path of a sandbox absolute. A final "/." keeps its
// meaning.
func insidePath(p string) string {
	content := strings.HasSuffix(p, "/.")
	if !path.IsAbs(p) {
		p = path.Join(workDir, p)
	}
	if p = path.Clean(p); content {
		p += "/."
	}
	return p
}

// sandboxLogs prints what commands of a sandbox have printed.
func (p program) sandboxLogs() *cobra.Command {
	req := new(apiv1.GetSandboxLogsRequest)
	var raw bool
	cmd := p.ofSandbox(&cobra.Command{
		Use:   "logs NAME",
		Short: "Print what the commands of a sandbox have printed",
		Long: `Print what the commands of a sandbox have printed: the last megabyte. What is typed
and printed on terminals is not logged. Control characters are shown as escapes,
unless --raw.`,
		Example: "  bulkhead sandbox logs box\n  bulkhead sandbox logs box --follow --command 3",
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Name = args[0]
			return p.withSandbox(cmd, args[0], func(ctx context.Context, k *daemon.Kept) error {
				logs, err := k.GetSandboxLogs(ctx, connect.NewRequest(req))
				if err != nil {
					return err
				}
				return eachOf(logs, func(e *apiv1.SandboxLog) error {
					if wantsJSON(cmd) {
						return p.json(e)
					}
					return p.printLog(e, raw)
				})
			})
		},
	})
	cmd.Flags().BoolVar(&req.Follow, "follow", false, "go on with what comes, until the sandbox is gone")
	cmd.Flags().Int32Var(&req.Exec, "command", 0, "only the command with this `NUMBER`")
	cmd.Flags().BoolVar(&raw, "raw", false, "print only the output, as it is")
	return cmd
}

// printLog prints one entry of a log.
func (p program) printLog(e *apiv1.SandboxLog, raw bool) error {
	text := wire.FromText(e.GetText(), e.GetTextBase64())
	output := e.GetKind() == "stdout" || e.GetKind() == "stderr"
	switch {
	case raw && output:
		_, err := p.out.Write(text)
		return outputError(err)
	case raw:
		return nil
	case output:
		return p.print(string(text))
	case e.GetKind() == "start":
		return p.say("--- %d: %s", e.GetExec(), oneLine(string(text)))
	}
	return p.say("--- %d ended: %s", e.GetExec(), oneLine(string(text)))
}
