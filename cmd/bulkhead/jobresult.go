package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/daemon"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
)

// jobResult prints what a job came to.
func (p program) jobResult() *cobra.Command {
	req := new(apiv1.GetResultRequest)
	cmd := p.ofJob(&cobra.Command{
		Use:   "result JOB",
		Short: "Print the result of a job, and what its workers were refused",
		Long: `Print the result of a job, and what its workers were refused. The exit code says
how the job ended: 0 completed, 1 failed, 4 cancelled.`,
		Example: "  bulkhead job result my-job-1f2e3d4c\n  bulkhead job result my-job-1f2e3d4c --wait --json | jq .output",
		RunE: func(cmd *cobra.Command, args []string) error {
			req.JobId = args[0]
			var result *apiv1.JobResult
			err := p.with(cmd, daemon.Read, func(ctx context.Context, p program, s *daemon.Session) error {
				req.Wait = req.GetWait() && s.Holder == nil // else it would never end
				answer, err := s.GetResult(ctx, connect.NewRequest(req))
				if err == nil {
					result = answer.Msg
				}
				return err
			})
			if err != nil {
				return err
			}
			return p.showResult(cmd, result)
		},
	})
	cmd.Flags().BoolVar(&req.Wait, "wait", false, "wait until the job has ended")
	return cmd
}

// showResult prints a result as the command was asked to, and ends the
// program as the job ended.
func (p program) showResult(cmd *cobra.Command, r *apiv1.JobResult) error {
	var err error
	if wantsJSON(cmd) {
		err = p.json(r)
	} else {
		err = p.print(resultText(r))
	}
	if err != nil {
		return err
	}
	return exitOf(jobExit[r.GetStatus()])
}

// jobExit is the exit code for how a job ended; 0 for what is not here.
var jobExit = map[string]int{"failed": 1, "cancelled": 4}

// resultText is a result for people.
func resultText(r *apiv1.JobResult) string {
	var b strings.Builder
	fmt.Fprintf(&b, "job %s %s", r.GetJobId(), r.GetStatus())
	if r.GetReason() != "" {
		b.WriteString(": " + oneLine(r.GetReason()))
	}
	b.WriteString("\n")
	for _, report := range r.GetReports() {
		b.WriteString(reportText(report))
	}
	if out := outputText(r); out != "" {
		b.WriteString("\nresult:\n" + out + "\n")
	}
	return b.String()
}

// reportText is what one attempt was refused and what did not stand around it.
func reportText(r *apiv1.Report) string {
	if len(r.GetDenials()) == 0 && len(r.GetMissing()) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s attempt %d (%s):\n", oneLine(r.GetNode()), r.GetAttempt(), oneLine(r.GetLayer()))

	t := table{}
	for _, d := range r.GetDenials() {
		seen := d.GetSource()
		if d.GetCount() > 1 {
			seen += times(int(d.GetCount()))
		}
		t = append(t, []string{"  denied", d.GetOperation(), d.GetObject(), "by " + d.GetStep(), grantText(d.GetGrant()), "(" + seen + ")"})
	}
	b.WriteString(t.String())
	for _, m := range r.GetMissing() {
		b.WriteString("  not enforced: " + oneLine(m) + "\n")
	}
	return b.String()
}

func grantText(grant string) string {
	if grant == "" {
		return "no grant allows it"
	}
	return "grant: " + grant
}

// outputText is the output of a job, laid out for reading.
func outputText(r *apiv1.JobResult) string {
	if r.GetOutput() == nil {
		return ""
	}
	raw, err := wire.JSON(r.GetOutput())
	if err != nil || string(raw) == "null" {
		return ""
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if e.Encode(json.RawMessage(raw)) != nil {
		return string(raw)
	}
	return printable(strings.TrimRight(b.String(), "\n"))
}
