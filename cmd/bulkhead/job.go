package main

import (
	"context"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/daemon"
)

// job holds the commands on jobs.
func (p program) job() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "job",
		Short: "Look at jobs, stop them, let them go on",
		Long: `Look at jobs, stop them, let them go on. A job is one run of a bundle; it lives
in a state folder, and any number of processes may look at it at once.`,
		Example: `  bulkhead job list
  bulkhead job events my-job-1f2e3d4c --follow
  bulkhead job resume my-job-1f2e3d4c`,
	})
	for _, sub := range []*cobra.Command{
		p.jobList(), p.jobShow(), p.jobEvents(), p.jobLogs(), p.jobResult(), p.jobCancel(), p.jobPause(), p.jobResume(),
	} {
		stateFlag(sub)
		cmd.AddCommand(sub)
	}
	return cmd
}

// ofJob makes a command that takes a job id, which shells complete.
func (p program) ofJob(cmd *cobra.Command) *cobra.Command {
	cmd.Args = wants("JOB")
	cmd.ValidArgsFunction = p.completeJob
	return cmd
}

// completeJob completes the ids of the jobs in the command's state folder.
func (p program) completeJob(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	const none = cobra.ShellCompDirectiveNoFileComp
	if len(args) > 0 {
		return nil, none
	}
	s, err := p.attach(cmd, daemon.Read)
	if err != nil {
		return nil, none
	}
	defer s.Close()

	list, err := s.ListJobs(context.Background(), connect.NewRequest(&apiv1.ListJobsRequest{}))
	if err != nil {
		return nil, none
	}
	var ids []string
	for _, j := range list.Msg.GetJobs() {
		ids = append(ids, cobra.CompletionWithDesc(j.GetJobId(), oneLine(j.GetStatus()+" "+j.GetName())))
	}
	return ids, none | cobra.ShellCompDirectiveKeepOrder
}
