package daemon

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bulkhead-dev/bulkhead/internal/server"
)

// Holder is this process while it holds a state folder: its lock, its store,
// and as its mode asks the engine and the socket.
type Holder struct {
	parts *parts
	lock  *lock
	stop  context.CancelFunc
	group *errgroup.Group
	once  sync.Once
	err   error // of Close
}

// hold opens the store under a lock and starts what the mode asks for. The
// session speaks to the holder through memory.
func hold(ctx context.Context, state string, l *lock, opt Options) (*Session, error) {
	if err := l.say(holder{PID: os.Getpid(), Starting: opt.Mode == Serve}); err != nil {
		l.undo()
		return nil, err
	}
	p, err := assemble(state, opt)
	if err != nil {
		l.undo()
		return nil, err
	}

	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	group, run := errgroup.WithContext(run)
	h := &Holder{parts: p, lock: l, stop: stop, group: group}

	inside := newMemory()
	h.serve(run, inside)
	if opt.Mode != Read {
		group.Go(func() error { return p.engine.Run(run) })
	}
	if opt.Mode == Serve {
		if err := h.openSocket(run, state, opt.Getenv); err != nil {
			return nil, errors.Join(err, h.Close())
		}
	}

	s := newSession(state, inside.dial)
	s.Holder = h
	return s, nil
}

// openSocket opens the socket for other processes, and says so in the lock file.
func (h *Holder) openSocket(ctx context.Context, state string, getenv func(string) string) error {
	path, err := socketPath(state, os.Geteuid(), getenv)
	if err != nil {
		return err
	}
	l, err := listen(path)
	if err != nil {
		return err
	}
	h.serve(ctx, server.NewListener(l))
	return h.lock.say(holder{PID: os.Getpid(), Socket: path})
}

// serve answers on a listener until the holder closes.
func (h *Holder) serve(ctx context.Context, l net.Listener) {
	s := server.New(h.parts.jobs)
	h.group.Go(func() error { return s.Serve(ctx, l) })
}

// Jobs is how many jobs this process was asked to run and that have not ended.
func (h *Holder) Jobs() int { return h.parts.jobs.Running() }

// Wait returns when there is no such job, or fails when ctx ends. From then on
// no job is taken any more.
func (h *Holder) Wait(ctx context.Context) error { return h.parts.jobs.Idle(ctx, 0) }

// Linger is Wait for a process that starts without a job: it returns when
// there has been none for a while.
func (h *Holder) Linger(ctx context.Context, while time.Duration) error {
	return h.parts.jobs.Idle(ctx, while)
}

// Close ends what runs, so that it can be resumed, and gives the folder back.
// It may be called twice.
func (h *Holder) Close() error {
	h.once.Do(func() {
		h.parts.jobs.Leave()
		h.stop()
		err := h.group.Wait()
		h.parts.jobs.Close()
		h.err = errors.Join(err, h.parts.layers.Close(), h.parts.store.Close())
		h.lock.release()
	})
	return h.err
}
