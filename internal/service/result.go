package service

import (
	"context"
	"encoding/json"
	"io"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/engine"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// maxBody is the most of one body that we read into memory, in bytes.
const maxBody = 64 << 20

// withReports are the kinds of events whose data may hold a report.
var withReports = map[event.Kind]bool{
	event.AttemptSucceeded: true,
	event.AttemptFailed:    true,
}

// Result is what a job came to. With wait it returns when the job is
// terminal; without it a job that is not is fault.Unavailable.
func (j *Jobs) Result(ctx context.Context, id event.JobID, wait bool) (Result, error) {
	if err := checkID(id); err != nil {
		return Result{}, err
	}

	var reports []AttemptReport
	for ev, err := range watch(ctx, j.Store, id, 0, wait) {
		if err != nil {
			return Result{}, err
		}
		if !withReports[ev.Kind] {
			continue
		}
		r, err := j.report(ctx, ev)
		if err != nil {
			return Result{}, err
		}
		if r != nil && worthShowing(ev.Kind, r) {
			reports = append(reports, AttemptReport{Node: ev.Node, Attempt: ev.Attempt, Report: *r})
		}
	}

	job, err := j.Engine.Job(ctx, id)
	if err != nil {
		return Result{}, err
	}
	if !job.Status.Terminal() {
		return Result{}, fault.Newf(fault.Unavailable, "job %s has no result yet: it is %s", id, job.Status).
			WithHint("wait for it: bulkhead job result %s --wait; if nobody works on it: bulkhead job resume %s", id, id)
	}
	return j.result(ctx, job, reports)
}

func (j *Jobs) result(ctx context.Context, job engine.Job, reports []AttemptReport) (Result, error) {
	out := Result{Job: job.Summary.Job, Status: job.Status, Reason: job.Reason, Reports: reports}
	if job.Failure != nil && out.Reason == "" {
		out.Reason = job.Failure.Reason
	}
	if job.Result == nil {
		return out, nil
	}

	body, err := j.content(ctx, *job.Result)
	if err != nil {
		return Result{}, err
	}
	out.Output = body
	return out, nil
}

// worthShowing leaves out the reports of attempts that went as planned.
func worthShowing(kind event.Kind, r *event.Report) bool {
	return kind == event.AttemptFailed || len(r.Denials) > 0 || len(r.Missing) > 0
}

// report is the report in an event's data; nil when there is none.
func (j *Jobs) report(ctx context.Context, ev event.Event) (*event.Report, error) {
	if ev.Data == nil {
		return nil, nil
	}
	raw, err := j.content(ctx, *ev.Data)
	if err != nil {
		return nil, err
	}
	var end event.AttemptEnd
	if err := json.Unmarshal(raw, &end); err != nil {
		return nil, fault.Newf(fault.Corrupt, "event %d of job %s: %w", ev.Seq, ev.Job, err)
	}
	return end.Report, nil
}

// content is a body's bytes, wherever they are kept.
func (j *Jobs) content(ctx context.Context, b event.Body) (json.RawMessage, error) {
	if b.Ref == nil {
		return b.Inline, nil
	}
	if b.Ref.Size > maxBody {
		return nil, fault.Newf(fault.Exhausted, "body %s has %d bytes, more than %d", b.Ref.Digest, b.Ref.Size, maxBody)
	}
	r, err := j.Store.Blob(ctx, *b.Ref)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}
