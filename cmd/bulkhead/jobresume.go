package main

import (
	"context"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/daemon"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
)

// jobResume lets a job go on.
func (p program) jobResume() *cobra.Command {
	var detach bool
	cmd := p.ofJob(&cobra.Command{
		Use:   "resume JOB",
		Short: "Let a paused or an interrupted job go on",
		Long: `Let a job go on that was paused, or whose process is gone. What has finished is
not run again. It follows the job to its end, like blueprint run; with --detach
it returns at once.`,
		Example: "  bulkhead job resume my-job-1f2e3d4c\n  bulkhead job resume my-job-1f2e3d4c --detach",
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := p.attachToRun(cmd, detach)
			if err != nil {
				return err
			}
			job, err := resume(cmd.Context(), s, args[0])
			if err != nil || detach {
				return finish(s, err, func() error { return p.tellJob(cmd, job) })
			}
			return p.follow(cmd, s, args[0])
		},
	})
	cmd.Flags().BoolVar(&detach, "detach", false, "let it run in the background")
	return cmd
}

// resume asks the holder to go on with a job, and gives it the variables from
// our environment that the job's workers may have.
func resume(ctx context.Context, s *daemon.Session, id string) (*apiv1.Job, error) {
	before, err := s.GetJob(ctx, connect.NewRequest(&apiv1.GetJobRequest{JobId: id}))
	if err != nil {
		return nil, wire.FromConnect(err)
	}
	after, err := s.ResumeJob(ctx, connect.NewRequest(&apiv1.ResumeJobRequest{
		JobId: id,
		Env:   environment(before.Msg.GetPassEnv()),
	}))
	if err != nil {
		return nil, wire.FromConnect(err)
	}
	return after.Msg, nil
}
