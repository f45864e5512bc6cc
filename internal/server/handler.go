package server

import (
	"context"
	"iter"
	"math"

	"connectrpc.com/connect"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/api/v1/apiv1connect"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
	"github.com/bulkhead-dev/bulkhead/internal/service"
	"github.com/bulkhead-dev/bulkhead/internal/store"
)

// handler answers each procedure by one call of the service.
type handler struct{ jobs *service.Jobs }

var _ apiv1connect.BulkheadHandler = (*handler)(nil)

// answer is the end of every call that returns one message.
func answer[Noun, Message any](noun Noun, err error, translate func(Noun) *Message) (*connect.Response[Message], error) {
	if err != nil {
		return nil, wire.ToConnect(err)
	}
	return connect.NewResponse(translate(noun)), nil
}

// send is the end of every call that returns a stream.
func send[Noun, Message any](list iter.Seq2[Noun, error], stream *connect.ServerStream[Message], translate func(Noun) *Message) error {
	for noun, err := range list {
		if err != nil {
			return wire.ToConnect(err)
		}
		if err := stream.Send(translate(noun)); err != nil {
			return err
		}
	}
	return nil
}

// SubmitJob checks a bundle and starts a job.
func (h *handler) SubmitJob(ctx context.Context, req *connect.Request[apiv1.SubmitJobRequest]) (*connect.Response[apiv1.SubmitJobResponse], error) {
	submission, err := wire.FromSubmission(req.Msg)
	if err != nil {
		return nil, wire.ToConnect(err)
	}
	submitted, err := h.jobs.Submit(ctx, submission)
	return answer(submitted, err, wire.Submitted)
}

// GetJob describes a job.
func (h *handler) GetJob(ctx context.Context, req *connect.Request[apiv1.GetJobRequest]) (*connect.Response[apiv1.Job], error) {
	job, err := h.jobs.Get(ctx, event.JobID(req.Msg.GetJobId()))
	return answer(job, err, wire.Job)
}

// ListJobs lists jobs, newest first.
func (h *handler) ListJobs(ctx context.Context, req *connect.Request[apiv1.ListJobsRequest]) (*connect.Response[apiv1.ListJobsResponse], error) {
	q := store.Query{Max: int(req.Msg.GetMax()), After: req.Msg.GetAfter()}
	for _, s := range req.Msg.GetStatus() {
		q.Status = append(q.Status, event.JobStatus(s))
	}
	page, err := h.jobs.List(ctx, q)
	return answer(page, err, wire.Page)
}

// WatchEvents streams a job's events.
func (h *handler) WatchEvents(ctx context.Context, req *connect.Request[apiv1.WatchEventsRequest], stream *connect.ServerStream[apiv1.Event]) error {
	after, err := sequence(req.Msg.GetAfter())
	if err != nil {
		return wire.ToConnect(err)
	}
	events := h.jobs.Watch(ctx, event.JobID(req.Msg.GetJobId()), after, req.Msg.GetFollow())
	return send(events, stream, wire.Event)
}

// GetLogs streams what a job's attempts printed.
func (h *handler) GetLogs(ctx context.Context, req *connect.Request[apiv1.GetLogsRequest], stream *connect.ServerStream[apiv1.LogChunk]) error {
	q := service.LogQuery{
		Node:    event.NodeID(req.Msg.GetNode()),
		Attempt: int(req.Msg.GetAttempt()),
		Follow:  req.Msg.GetFollow(),
	}
	return send(h.jobs.Logs(ctx, event.JobID(req.Msg.GetJobId()), q), stream, wire.LogChunk)
}

// GetResult says what a job came to.
func (h *handler) GetResult(ctx context.Context, req *connect.Request[apiv1.GetResultRequest]) (*connect.Response[apiv1.JobResult], error) {
	result, err := h.jobs.Result(ctx, event.JobID(req.Msg.GetJobId()), req.Msg.GetWait())
	return answer(result, err, wire.Result)
}

// CancelJob ends a job.
func (h *handler) CancelJob(ctx context.Context, req *connect.Request[apiv1.CancelJobRequest]) (*connect.Response[apiv1.Job], error) {
	job, err := h.jobs.Cancel(ctx, event.JobID(req.Msg.GetJobId()))
	return answer(job, err, wire.Job)
}

// PauseJob stops a job from starting attempts.
func (h *handler) PauseJob(ctx context.Context, req *connect.Request[apiv1.PauseJobRequest]) (*connect.Response[apiv1.Job], error) {
	job, err := h.jobs.Pause(ctx, event.JobID(req.Msg.GetJobId()), req.Msg.GetKill())
	return answer(job, err, wire.Job)
}

// ResumeJob lets a job go on.
func (h *handler) ResumeJob(ctx context.Context, req *connect.Request[apiv1.ResumeJobRequest]) (*connect.Response[apiv1.Job], error) {
	job, err := h.jobs.Resume(ctx, event.JobID(req.Msg.GetJobId()), req.Msg.GetEnv())
	return answer(job, err, wire.Job)
}

// GetInfo describes the holder and its store.
func (h *handler) GetInfo(ctx context.Context, _ *connect.Request[apiv1.GetInfoRequest]) (*connect.Response[apiv1.Info], error) {
	info, err := h.jobs.Info(ctx)
	return answer(info, err, wire.Info)
}

// sequence reads a sequence number that travelled as a double.
func sequence(n float64) (event.Seq, error) {
	if n < 0 || n != math.Trunc(n) || n > 1<<53 {
		return 0, fault.Newf(fault.Invalid, "%v is not a sequence number", n)
	}
	return event.Seq(n), nil
}
