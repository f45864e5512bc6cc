package main

import (
	"context"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/daemon"
)

// jobCancel ends a job.
func (p program) jobCancel() *cobra.Command {
	return p.ofJob(&cobra.Command{
		Use:   "cancel JOB",
		Short: "End a job and everything that runs for it",
		Long: `End a job and everything that runs for it. It returns when the job's sandboxes
are confirmed empty. A cancelled job cannot be resumed.`,
		Example: "  bulkhead job cancel my-job-1f2e3d4c",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.with(cmd, daemon.Act, func(ctx context.Context, p program, s *daemon.Session) error {
				job, err := s.CancelJob(ctx, connect.NewRequest(&apiv1.CancelJobRequest{JobId: args[0]}))
				if err != nil {
					return err
				}
				return p.tellJob(cmd, job.Msg)
			})
		},
	})
}

// jobPause stops a job from starting attempts.
func (p program) jobPause() *cobra.Command {
	req := new(apiv1.PauseJobRequest)
	cmd := p.ofJob(&cobra.Command{
		Use:   "pause JOB",
		Short: "Start no more attempts of a job",
		Long: `Start no more attempts of a job, until it is resumed. What runs may finish; with
--kill it is ended, and does not count as an attempt.`,
		Example: "  bulkhead job pause my-job-1f2e3d4c\n  bulkhead job pause my-job-1f2e3d4c --kill",
		RunE: func(cmd *cobra.Command, args []string) error {
			req.JobId = args[0]
			return p.with(cmd, daemon.Act, func(ctx context.Context, p program, s *daemon.Session) error {
				job, err := s.PauseJob(ctx, connect.NewRequest(req))
				if err != nil {
					return err
				}
				return p.tellJob(cmd, job.Msg)
			})
		},
	})
	cmd.Flags().BoolVar(&req.Kill, "kill", false, "end what runs")
	return cmd
}

// tellJob says where a job stands now.
func (p program) tellJob(cmd *cobra.Command, job *apiv1.Job) error {
	if wantsJSON(cmd) {
		return p.json(job)
	}
	return p.say("job %s is %s", job.GetJobId(), job.GetStatus())
}
