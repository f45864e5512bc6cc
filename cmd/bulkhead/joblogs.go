package main

import (
	"context"
	"fmt"
	"maps"
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
			follow := req.GetFollow()
			logs := &logPrinter{json: wantsJSON(cmd), raw: raw}
			return p.with(cmd, daemon.Read, func(ctx context.Context, p program, s *daemon.Session) error {
				req.Follow = follow && s.Holder == nil // else nothing would come
				chunks, err := s.GetLogs(ctx, connect.NewRequest(req))
				if err != nil {
					return err
				}
				logs.begin(p)
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
// It may be given the same logs again from the start, and prints each byte once.
type logPrinter struct {
	program
	json, raw bool
	printed   map[string]int // bytes so far, by head
	again     map[string]int // bytes of them that came again
	head      string         // of the chunk before
	open      bool           // the last line has no end yet
}

// begin makes ready for logs from the start.
func (l *logPrinter) begin(p program) {
	if l.printed == nil {
		l.printed = make(map[string]int)
	}
	l.program, l.again = p, maps.Clone(l.printed)
}

// fresh is the part of a chunk that was not printed yet.
func (l *logPrinter) fresh(head string, b []byte) []byte {
	known := min(l.again[head], len(b))
	l.again[head] -= known
	l.printed[head] += len(b) - known
	return b[known:]
}

func (l *logPrinter) print(c *apiv1.LogChunk) error {
	head := fmt.Sprintf("==> %s attempt %d %s <==\n", oneLine(c.GetNode()), c.GetAttempt(), c.GetStream())
	bytes := l.fresh(head, wire.FromText(c.GetText(), c.GetTextBase64()))
	if len(bytes) == 0 {
		return nil
	}
	if l.json {
		c.Text, c.TextBase64 = wire.Text(bytes)
		return l.program.json(c)
	}
	if l.raw {
		_, err := l.out.Write(bytes)
		return outputError(err)
	}

	text := printable(string(bytes))
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
