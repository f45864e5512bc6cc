package main

import (
	"context"
	"fmt"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/daemon"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
)

// jobLogs prints what a job's workers printed.
func (p program) jobLogs() *cobra.Command {
	req := new(apiv1.GetLogsRequest)
	var raw bool
	cmd := p.ofJob(&cobra.Command{
		Use:   "logs JOB",
		Short: "Print what the workers of a job printed",
		Long: `Print what the workers of a job printed, attempt by attempt. Control characters
are shown as escapes, so that no worker can reach your terminal; --raw prints the
bytes as they are.`,
		Example: `  bulkhead job logs my-job-1f2e3d4c
  bulkhead job logs my-job-1f2e3d4c --node audit --attempt 2 --raw > out.bin`,
		RunE: func(cmd *cobra.Command, args []string) error {
			req.JobId = args[0]
			return p.with(cmd, daemon.Read, func(ctx context.Context, s *daemon.Session) error {
				req.Follow = req.GetFollow() && s.Holder == nil // else nothing would come
				chunks, err := s.GetLogs(ctx, connect.NewRequest(req))
				if err != nil {
					return err
				}
				logs := logPrinter{program: p, json: wantsJSON(cmd), raw: raw}
				return eachOf(chunks, logs.print)
			})
		},
	})
	cmd.Flags().StringVar(&req.Node, "node", "", "only of this `NODE`")
	cmd.Flags().Int32Var(&req.Attempt, "attempt", 0, "only of the attempt of this `NUMBER`")
	cmd.Flags().BoolVarP(&req.Follow, "follow", "f", false, "go on until the job has ended")
	cmd.Flags().BoolVar(&raw, "raw", false, "print the bytes as they are")
	return cmd
}

// logPrinter prints chunks of logs under a head for each attempt and stream.
type logPrinter struct {
	program
	json, raw bool
	head      string // of the chunk before
	open      bool   // the last line has no end yet
}

func (l *logPrinter) print(c *apiv1.LogChunk) error {
	if l.json {
		return l.program.json(c)
	}
	bytes := wire.FromText(c.GetText(), c.GetTextBase64())
	if l.raw {
		_, err := l.out.Write(bytes)
		return outputError(err)
	}

	text := printable(string(bytes))
	head := fmt.Sprintf("==> %s attempt %d %s <==\n", oneLine(c.GetNode()), c.GetAttempt(), c.GetStream())
	if head != l.head {
		if l.open {
			text = "\n" + head + text
		} else {
			text = head + text
		}
		l.head = head
	}
	l.open = !strings.HasSuffix(text, "\n")
	_, err := fmt.Fprint(l.out, text)
	return outputError(err)
}
