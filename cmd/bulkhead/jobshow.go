package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/daemon"
)

// jobShow describes one job.
func (p program) jobShow() *cobra.Command {
	return p.ofJob(&cobra.Command{
		Use:     "show JOB",
		Short:   "Show where a job and its nodes stand, and what it waits for",
		Example: "  bulkhead job show my-job-1f2e3d4c\n  bulkhead job show my-job-1f2e3d4c --json | jq .pending",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.with(cmd, daemon.Read, func(ctx context.Context, p program, s *daemon.Session) error {
				job, err := s.GetJob(ctx, connect.NewRequest(&apiv1.GetJobRequest{JobId: args[0]}))
				if err != nil {
					return err
				}
				return p.showJob(cmd, job.Msg)
			})
		},
	})
}

// showJob prints a job as the command was asked to.
func (p program) showJob(cmd *cobra.Command, job *apiv1.Job) error {
	if wantsJSON(cmd) {
		return p.json(job)
	}
	return p.print(jobText(job))
}

// jobText is a job with its nodes for people.
func jobText(j *apiv1.Job) string {
	var b strings.Builder
	facts := table{
		{"job", j.GetJobId()},
		{"name", j.GetName()},
		{"status", j.GetStatus()},
		{"reason", j.GetReason()},
		{"submitted", shortTime(j.GetSubmitted())},
		{"took", milliseconds(j.GetDurationMs())},
		{"bundle", j.GetFolder()},
		{"attempts", j.GetAttemptsFolder()},
	}
	for _, row := range facts {
		if row[1] != "" {
			fmt.Fprintf(&b, "%-10s %s\n", row[0], oneLine(row[1]))
		}
	}
	b.WriteString("\n" + nodeTable(j.GetNodes()).String())
	for i, why := range j.GetPending() {
		if i == 0 {
			b.WriteString("\nwaits for:\n")
		}
		b.WriteString("  " + oneLine(why) + "\n")
	}
	return b.String()
}

// nodeTable is the nodes of a job for people.
func nodeTable(nodes []*apiv1.NodeStatus) table {
	t := table{{"NODE", "KIND", "STATUS", "QUEUED", "RUNNING", "OK", "FAILED", "DENIED", "TOOK", "DETAIL"}}
	for _, n := range nodes {
		t = append(t, []string{
			n.GetNode(), n.GetKind(), n.GetStatus(),
			count(n.GetQueued()), count(n.GetRunning()), count(n.GetSucceeded()), count(n.GetFailed()), count(n.GetDenials()),
			milliseconds(n.GetDurationMs()), n.GetDetail(),
		})
	}
	return t
}

// count is a number for a table, where zero would only be noise.
func count(n int32) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// times says how often something happened.
func times(n int) string { return fmt.Sprintf(" ×%d", n) }

// shortTime is an API time in the reader's own zone, to the second.
func shortTime(s string) string {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return s
	}
	return t.Local().Format("2006-01-02 15:04:05")
}
