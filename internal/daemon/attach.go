package daemon

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"time"

	rpc "connectrpc.com/connect"
	"golang.org/x/sys/unix"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/api/v1/apiv1connect"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// Mode is what a process wants of a state folder when nobody holds it.
type Mode int

// The modes.
const (
	Read  Mode = iota // look at jobs; nothing is started and nobody else is served
	Act               // change a job, for as long as the change takes
	Serve             // run jobs, and serve other processes until the jobs have ended
	Join              // nothing: speak to another process or fail with ErrNoHolder
)

var (
	// ErrNoHolder means that no process holds the state folder.
	ErrNoHolder error = fault.New(fault.Unavailable, "no process holds the state folder")
	// ErrNoState means that there is no state folder to look at.
	ErrNoState error = fault.New(fault.NotFound, "there is no state folder")
)

// Options say which state folder to attach to, and how.
type Options struct {
	State   string              // absolute path; see StatePath
	Mode    Mode                // what to become when nobody holds the folder
	Getenv  func(string) string // the caller's environment
	Wait    time.Duration       // for a holder that does not answer yet; 0: five seconds
	Version string              // of this build, for Info
}

// Session is a way to speak to the holder of a state folder: another process,
// or this one.
type Session struct {
	apiv1connect.BulkheadClient
	State  string  // the folder's real path
	Holder *Holder // this process, when it holds the folder; else nil
	http   *http.Client
}

// Close ends the session, and with it the holder if that is this process. It
// may be called twice.
func (s *Session) Close() error {
	s.http.CloseIdleConnections()
	if s.Holder == nil {
		return nil
	}
	return s.Holder.Close()
}

const (
	// patience is how long a holder may leave us without an answer: a reader
	// holds the lock for moments and answers nobody.
	patience = 5 * time.Second
	// startup is how long a holder may take that says it is starting: a large
	// store is read again after a crash.
	startup = 2 * time.Minute
	// glance is the time between two looks at the lock.
	glance = 20 * time.Millisecond
)

// Attach becomes the holder of a state folder if it can have the lock, else it
// connects to the process that has it. A lock that is held while nobody
// answers is the one error that it waits for.
func Attach(ctx context.Context, opt Options) (*Session, error) {
	state, err := openState(opt.State, opt.Mode)
	if err != nil {
		return nil, err
	}
	if opt.Wait == 0 {
		opt.Wait = patience
	}

	for began := time.Now(); ; {
		s, err := try(ctx, state, opt)
		var mute *muteError
		if !errors.As(err, &mute) {
			return s, err
		}
		if mute.overdue(time.Since(began), opt.Wait) {
			return nil, unanswered(state, mute)
		}
		if err := pause(ctx, glance); err != nil {
			return nil, err
		}
	}
}

// try attaches, or fails at once: with a muteError when somebody else has the
// lock and does not answer.
func try(ctx context.Context, state string, opt Options) (*Session, error) {
	l, err := takeLock(state)
	switch {
	case errors.Is(err, errHeld):
		return connect(ctx, state, opt.Wait)
	case err != nil:
		return nil, err
	case opt.Mode == Join:
		l.release()
		return nil, ErrNoHolder
	}
	return hold(ctx, state, l, opt)
}

// muteError means that the holder does not answer.
type muteError struct {
	holder holder
	cause  error
}

// Error says why there is no answer.
func (e *muteError) Error() string { return e.cause.Error() }

// Unwrap returns the cause.
func (e *muteError) Unwrap() error { return e.cause }

// overdue reports whether the holder has had its time.
func (e *muteError) overdue(waited, wait time.Duration) bool {
	if e.holder.Starting {
		return waited > startup
	}
	return waited > wait
}

// pause waits, or fails with why ctx ended.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// unanswered is the error for a lock whose holder cannot be reached.
func unanswered(state string, mute *muteError) error {
	pid := mute.holder.PID
	if pid == 0 {
		return fault.Newf(fault.Unavailable, "state folder %s is locked by another process that does not answer: %w", state, mute).
			WithHint("find it with 'fuser %s/%s', and end it or wait for it", state, lockName)
	}
	return fault.Newf(fault.Unavailable, "state folder %s is held by process %d, which does not answer: %w", state, pid, mute).
		WithHint("wait for it, or end it with 'kill %d' and run the command again; no job is lost", pid)
}

// errNoSocket means that the holder serves nobody.
var errNoSocket = errors.New("it has no socket")

// connect reaches the holder that the lock file names, and waits a while for
// a sign of life. It fails with a muteError.
func connect(ctx context.Context, state string, wait time.Duration) (*Session, error) {
	h := whoHolds(state)
	if h.Socket == "" {
		return nil, &muteError{h, errNoSocket}
	}
	if err := checkSocket(h.Socket); err != nil {
		return nil, &muteError{h, err}
	}
	s := newSession(state, func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", h.Socket)
	})

	ping, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if _, err := s.GetInfo(ping, rpc.NewRequest(&apiv1.GetInfoRequest{})); err != nil {
		_ = s.Close()
		return nil, &muteError{h, err}
	}
	return s, nil
}

// checkSocket wants a socket of our own.
func checkSocket(path string) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return fault.Newf(fault.Denied, "%s is not a socket", path)
	}
	return checkOwner(path, st.Uid)
}

// newSession speaks over what dial connects to.
func newSession(state string, dial func(ctx context.Context, network, address string) (net.Conn, error)) *Session {
	client := &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 4}}
	return &Session{
		BulkheadClient: apiv1connect.NewBulkheadClient(client, "http://bulkhead"),
		State:          state,
		http:           client,
	}
}
