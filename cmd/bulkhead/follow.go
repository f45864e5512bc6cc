package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/daemon"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
)

// again is how long the second interrupt may take that cancels the job.
const again = 2 * time.Second

// follow shows a job until it has ended, prints its result, and then stays
// for the jobs that other processes gave to this one. It closes the session.
//
// An interrupt leaves the job resumable; a second one shortly after cancels it.
func (p program) follow(cmd *cobra.Command, s *daemon.Session, id string) error {
	f := &follower{program: p, cmd: cmd, job: id, view: p.viewFor(cmd)}
	f.session.Store(s)
	defer func() { _ = f.session.Load().Close() }()

	ctx, cancel := context.WithCancelCause(cmd.Context())
	defer cancel(nil)
	stop := f.onInterrupt(cancel)
	defer stop()

	if err := f.toTheEnd(ctx); err != nil {
		f.view.close()
		return f.left(ctx, err)
	}
	f.view.close()
	result, job, err := f.result(ctx)
	if err != nil {
		return f.left(ctx, err)
	}
	ending := p.showResult(cmd, result)
	if !wantsJSON(cmd) {
		p.complain("attempts are in %s", oneLine(job.GetAttemptsFolder()))
	}
	if err := f.stay(ctx); err != nil {
		return f.left(ctx, err)
	}
	return ending
}

// follower is one process that follows one job.
type follower struct {
	program
	cmd     *cobra.Command
	session atomic.Pointer[daemon.Session] // changes when the holder leaves
	job     string
	after   float64 // the last event seen
	view    view
}

// view shows how a job goes.
type view interface {
	event(e *apiv1.Event) // something happened
	live() bool           // whether it shows more than events
	job(j *apiv1.Job)     // where the job stands now, if it does
	close()               // the job has ended, or nobody watches any more
}

// toTheEnd watches the job until it has ended. When the holder leaves, this
// process goes on with the next one, or becomes it and resumes the job.
func (f *follower) toTheEnd(ctx context.Context) error {
	for {
		err := f.watch(ctx)
		if err == nil || f.session.Load().Holder != nil || fault.KindOf(err) != fault.Unavailable || ctx.Err() != nil {
			return err
		}
		if err := f.reattach(ctx, daemon.Serve); err != nil {
			return err
		}
		if err := f.takeOver(ctx); err != nil {
			return err
		}
	}
}

// watch shows events until the job has ended or the stream breaks. A live
// view is drawn from time to time while events come, and after the last one.
func (f *follower) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := make(chan *apiv1.Event)
	done := make(chan error, 1)
	go func() { done <- f.receive(ctx, events) }()

	tick := time.NewTicker(frame)
	defer tick.Stop()
	for news := false; ; {
		select {
		case e := <-events:
			f.after = e.GetSeq()
			f.view.event(e)
			news = f.view.live()
		case <-tick.C:
			if news {
				f.draw(ctx)
			}
			news = false
		case err := <-done:
			if news {
				f.draw(ctx)
			}
			return err
		}
	}
}

// receive passes events on until the stream ends.
func (f *follower) receive(ctx context.Context, events chan<- *apiv1.Event) error {
	req := &apiv1.WatchEventsRequest{JobId: f.job, After: f.after, Follow: true}
	stream, err := f.session.Load().WatchEvents(ctx, connect.NewRequest(req))
	if err != nil {
		return wire.FromConnect(err)
	}
	return wire.FromConnect(eachOf(stream, func(e *apiv1.Event) error {
		select {
		case events <- e:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}))
}

// draw asks where the job stands and shows it. A drawing that fails is left
// out: the stream of events tells what is wrong.
func (f *follower) draw(ctx context.Context) {
	job, err := f.session.Load().GetJob(ctx, connect.NewRequest(&apiv1.GetJobRequest{JobId: f.job}))
	if err == nil {
		f.view.job(job.Msg)
	}
}

// reattach finds the next holder after the old one has left.
func (f *follower) reattach(ctx context.Context, mode daemon.Mode) error {
	_ = f.session.Load().Close()
	next, err := f.attachTo(ctx, f.session.Load().State, mode)
	if err != nil {
		return err
	}
	f.session.Store(next)
	return nil
}

// takeOver resumes the job if this process is the holder now.
func (f *follower) takeOver(ctx context.Context) error {
	s := f.session.Load()
	if s.Holder == nil {
		return nil
	}
	_, err := resume(ctx, s, f.job)
	if fault.KindOf(err) == fault.Invalid {
		return nil // it has ended in the meantime
	}
	return err
}

// result asks what the job came to. The holder may leave just now, because
// the job was its last: then the store is read without it.
func (f *follower) result(ctx context.Context) (*apiv1.JobResult, *apiv1.Job, error) {
	for {
		s := f.session.Load()
		result, err := s.GetResult(ctx, connect.NewRequest(&apiv1.GetResultRequest{JobId: f.job}))
		if err == nil {
			var job *connect.Response[apiv1.Job]
			if job, err = s.GetJob(ctx, connect.NewRequest(&apiv1.GetJobRequest{JobId: f.job})); err == nil {
				return result.Msg, job.Msg, nil
			}
		}
		err = wire.FromConnect(err)
		if s.Holder != nil || fault.KindOf(err) != fault.Unavailable || ctx.Err() != nil {
			return nil, nil, err
		}
		if err := f.reattach(ctx, daemon.Read); err != nil {
			return nil, nil, err
		}
	}
}

// stay keeps this process alive while it runs jobs of other processes.
func (f *follower) stay(ctx context.Context) error {
	holder := f.session.Load().Holder
	if holder == nil {
		return nil
	}
	if n := holder.Jobs(); n > 0 {
		f.complain("this process still runs %d jobs that were given to it; interrupt it to leave them resumable", n)
	}
	return holder.Wait(ctx)
}

// errLeft is the cause of a context that an interrupt ended.
var errLeft = fault.New(fault.Interrupted, "interrupted")

// onInterrupt makes the first interrupt say what the second will do. Without a
// second one the context ends. Other signals end it at once.
func (f *follower) onInterrupt(cancel context.CancelCauseFunc) (stop func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	quit, done := make(chan struct{}), make(chan struct{})

	go func() {
		defer close(done)
		select {
		case <-quit:
			return
		case s := <-signals:
			if s != syscall.SIGINT {
				cancel(errLeft)
				return
			}
		}
		f.view.close()
		f.complain("interrupted; once more within two seconds cancels job %s", f.job)
		select {
		case <-quit:
			return
		case <-signals:
			f.cancelJob()
		case <-time.After(again):
			cancel(errLeft)
		}
	}()
	return func() {
		signal.Stop(signals)
		close(quit)
		<-done
	}
}

// cancelJob cancels the job. The stream of events then tells its end.
func (f *follower) cancelJob() {
	f.complain("cancelling job %s", f.job)
	_, err := f.session.Load().CancelJob(context.Background(), connect.NewRequest(&apiv1.CancelJobRequest{JobId: f.job}))
	if err != nil {
		f.complain("cancel: %s", wire.FromConnect(err))
	}
}

// left is the error of a process that stops following a job that has not
// ended. It says how to go on.
func (f *follower) left(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if !errors.Is(err, errLeft) {
		return err
	}
	state := ""
	if f.cmd.Flags().Changed("state") {
		state = " --state " + shellWord(f.session.Load().State)
	}
	if f.session.Load().Holder == nil {
		return errLeft.WithHint("job %s goes on in another process; follow it with 'bulkhead job events %s --follow%s'", f.job, f.job, state)
	}
	return errLeft.WithHint("job %s can go on: bulkhead job resume %s%s", f.job, f.job, state)
}

// finish closes a session that is not followed, and then tells the outcome.
func finish(s *daemon.Session, err error, tell func() error) error {
	if err := errors.Join(err, s.Close()); err != nil {
		return err
	}
	return tell()
}
