package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/structpb"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/daemon"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
)

// jobEvents prints a job's history.
func (p program) jobEvents() *cobra.Command {
	req := new(apiv1.WatchEventsRequest)
	var after uint32
	cmd := p.ofJob(&cobra.Command{
		Use:   "events JOB",
		Short: "Print the history of a job",
		Long: `Print the history of a job, one event a line. With --follow it goes on until the
job has ended. With --json each line is one object.`,
		Example: `  bulkhead job events my-job-1f2e3d4c --follow
  bulkhead job events my-job-1f2e3d4c --json | jq 'select(.kind == "policy.denied")'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			req.JobId, req.After = args[0], float64(after)
			return p.events(cmd, req)
		},
	})
	cmd.Flags().BoolVarP(&req.Follow, "follow", "f", false, "go on until the job has ended")
	cmd.Flags().Uint32Var(&after, "after", 0, "begin after the event of this `NUMBER`")
	return cmd
}

// events prints events from where the request says. When the holder leaves it
// goes on with the next one, after the last event that was printed.
func (p program) events(cmd *cobra.Command, req *apiv1.WatchEventsRequest) error {
	ctx, _, stop := interruptible(cmd.Context())
	defer stop()

	for {
		s, err := p.attach(cmd, daemon.Read)
		if err != nil {
			return interrupted(ctx, err)
		}
		ours := s.Holder != nil
		err = p.exchange(ctx, s, func(ctx context.Context, p program, s *daemon.Session) error {
			return p.printEvents(ctx, cmd, s, req)
		})
		if ours || !req.GetFollow() || fault.KindOf(err) != fault.Unavailable || ctx.Err() != nil {
			return interrupted(ctx, err)
		}
	}
}

// tellAbandoned says that a job which has not ended does not go on by itself.
func (p program) tellAbandoned(ctx context.Context, s *daemon.Session, id string) {
	job, err := s.GetJob(ctx, connect.NewRequest(&apiv1.GetJobRequest{JobId: id}))
	if err == nil && !ended[job.Msg.GetStatus()] {
		p.complain("nobody works on job %s: it is %s; 'bulkhead job resume %s' lets it go on", id, job.Msg.GetStatus(), id)
	}
}

// ended are the statuses after which nothing happens to a job.
var ended = map[string]bool{"completed": true, "failed": true, "cancelled": true}

// printEvents prints events until there are no more. Where nobody works on
// jobs it does not wait for any.
func (p program) printEvents(ctx context.Context, cmd *cobra.Command, s *daemon.Session, req *apiv1.WatchEventsRequest) error {
	now := &apiv1.WatchEventsRequest{JobId: req.GetJobId(), After: req.GetAfter(), Follow: req.GetFollow() && s.Holder == nil}
	events, err := s.WatchEvents(ctx, connect.NewRequest(now))
	if err != nil {
		return err
	}
	err = eachOf(events, func(e *apiv1.Event) error {
		req.After = e.GetSeq()
		if wantsJSON(cmd) {
			return p.json(e)
		}
		return p.say("%s", eventLine(e))
	})
	if err == nil && req.GetFollow() && s.Holder != nil {
		p.tellAbandoned(ctx, s, req.GetJobId())
	}
	return err
}

// eventLine is one event for people.
func eventLine(e *apiv1.Event) string {
	line := fmt.Sprintf("%5.0f %s %s", e.GetSeq(), clock(e.GetTime()), e.GetKind())
	if e.GetNode() != "" {
		line += " " + e.GetNode()
	}
	if e.GetAttempt() > 0 {
		line += fmt.Sprintf(" attempt %d", e.GetAttempt())
	}
	if e.GetName() != "" {
		line += " " + e.GetName()
	}
	if e.GetReason() != "" && e.GetKind() != "policy.denied" {
		line += ": " + e.GetReason()
	}
	return oneLine(line + eventData(e))
}

// maxData is how much of an event's data a line shows, in bytes.
const maxData = 300

// eventData is what an event's data adds to its line: a refusal in words, a
// worker's own event as JSON, nothing for others.
func eventData(e *apiv1.Event) string {
	switch e.GetKind() {
	case "policy.denied":
		return ": " + denialLine(denialOf(e.GetData()))
	case "worker":
		data, err := wire.JSON(e.GetData())
		if err == nil && string(data) != "null" {
			return " " + shortened(string(data))
		}
	}
	return ""
}

// denialOf reads the refusal in an event's data.
func denialOf(v *structpb.Value) *apiv1.Denial {
	d := new(apiv1.Denial)
	if data, err := wire.JSON(v); err == nil {
		_ = wire.FromJSON(data, d) // what it cannot read stays empty
	}
	return d
}

func shortened(text string) string {
	if len(text) <= maxData {
		return text
	}
	return strings.ToValidUTF8(text[:maxData], "") + "…"
}

// clock is the time of day of an API time, in the reader's zone.
func clock(s string) string {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return s
	}
	return t.Local().Format("15:04:05.000")
}
