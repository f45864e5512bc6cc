package main

import (
	"context"
	"errors"
	"slices"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/daemon"
)

// statuses are the words for where a job stands.
var statuses = []string{"pending", "running", "paused", "cancelling", "completed", "failed", "cancelled"}

// jobList lists jobs, newest first.
func (p program) jobList() *cobra.Command {
	req := new(apiv1.ListJobsRequest)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List jobs, newest first",
		Example: `  bulkhead job list
  bulkhead job list --status running --status paused
  bulkhead job list --json | jq -r '.jobs[].job_id'`,
		Args: wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, status := range req.GetStatus() {
				if !slices.Contains(statuses, status) {
					return unknown(cmd, "status", status, statuses, "")
				}
			}
			list := new(apiv1.ListJobsResponse)
			err := p.with(cmd, daemon.Read, func(ctx context.Context, p program, s *daemon.Session) error {
				answer, err := s.ListJobs(ctx, connect.NewRequest(req))
				if err == nil {
					list = answer.Msg
				}
				return err
			})
			if errors.Is(err, daemon.ErrNoState) && !cmd.Flags().Changed("state") {
				err = nil // nothing has been run yet
			}
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return p.json(list)
			}
			return p.printJobs(list)
		},
	}
	cmd.Flags().StringArrayVar(&req.Status, "status", nil, "only jobs of this `STATUS`; may be repeated")
	cmd.Flags().Int32Var(&req.Max, "max", 100, "at most `N` jobs")
	cmd.Flags().StringVar(&req.After, "after", "", "go on after a listing's `CURSOR`")
	_ = cmd.RegisterFlagCompletionFunc("status", words(statuses...))
	return cmd
}

func (p program) printJobs(list *apiv1.ListJobsResponse) error {
	if len(list.GetJobs()) == 0 && len(list.GetQuarantined()) == 0 {
		p.complain("there are no jobs")
		return nil
	}

	t := table{{"JOB", "STATUS", "SUBMITTED", "TOOK", "NAME"}}
	for _, j := range list.GetJobs() {
		t = append(t, []string{j.GetJobId(), j.GetStatus(), shortTime(j.GetSubmitted()), milliseconds(j.GetDurationMs()), j.GetName()})
	}
	for _, q := range list.GetQuarantined() {
		t = append(t, []string{q.GetJobId(), "quarantined", "", "", q.GetReason()})
	}
	if err := p.print(t.String()); err != nil {
		return err
	}
	if list.GetNext() != "" {
		p.complain("there are more: --after %s", list.GetNext())
	}
	return nil
}
