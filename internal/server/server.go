// Package server speaks the API over a unix socket: it translates requests,
// calls the service, and translates back. It decides nothing.
package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/bulkhead-dev/bulkhead/api/v1/apiv1connect"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
	"github.com/bulkhead-dev/bulkhead/internal/service"
)

// The limits of a connection. Streams may last for as long as a job does, so
// there is no limit on writing; a request must come quickly and be small.
const (
	maxRequest    = 16 << 20 // bytes of one message
	maxHeader     = 64 << 10 // bytes
	headerTimeout = 5 * time.Second
	readTimeout   = 30 * time.Second // of a whole request
	idleTimeout   = 2 * time.Minute
)

// Server answers API requests. Make it with New.
type Server struct{ http *http.Server }

// New returns a server over the actions on jobs. Info is what it says about
// the process that it runs in.
func New(jobs *service.Jobs) *Server {
	mux := http.NewServeMux()
	mux.Handle(apiv1connect.NewBulkheadHandler(&handler{jobs: jobs}, handlerOptions()...))
	return &Server{http: &http.Server{
		Handler:           mux,
		Protocols:         protocols(),
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
	}}
}

// handlerOptions are the ones of every service.
func handlerOptions() []connect.HandlerOption {
	options := []connect.HandlerOption{
		connect.WithReadMaxBytes(maxRequest),
		connect.WithRecover(recovered),
	}
	for _, c := range codecs {
		options = append(options, connect.WithCodec(c))
	}
	return options
}

// protocols are what clients may speak.
func protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true) // gRPC clients, and streams in both directions
	return p
}

// Serve answers on a listener until ctx ends, and returns when every request
// has been answered or cut off. The listener is closed.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	streams, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	s.http.BaseContext = func(net.Listener) context.Context { return streams }

	served := make(chan error, 1)
	go func() { served <- s.http.Serve(l) }()

	select {
	case err := <-served:
		return fault.Newf(fault.Unavailable, "serve: %w", err)
	case <-ctx.Done():
	}
	s.drain(cut)
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fault.Newf(fault.Unavailable, "serve: %w", err)
	}
	return nil
}

// parting is how long requests may go on when the server leaves. Followers
// of jobs that go on elsewhere are cut off then.
const parting = 500 * time.Millisecond

// drain ends the requests: the short ones by themselves, the long ones by force.
func (s *Server) drain(cut context.CancelCauseFunc) {
	for _, force := range []bool{false, true} {
		if force {
			cut(errLeaving)
		}
		ctx, cancel := context.WithTimeout(context.Background(), parting)
		err := s.http.Shutdown(ctx)
		cancel()
		if err == nil {
			return
		}
	}
	_ = s.http.Close()
}

// errLeaving is what cut off requests answer.
var errLeaving = fault.New(fault.Unavailable, "the holder of the state folder is leaving").
	WithHint("run the command again")

// recovered turns a panic in a handler into an error of ours.
func recovered(_ context.Context, spec connect.Spec, _ http.Header, p any) error {
	return wire.ToConnect(fault.Newf(fault.Internal, "%s: panic: %v", spec.Procedure, p))
}
