package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"syscall"
	"time"

	"connectrpc.com/connect"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/api/v1/apiv1connect"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest"
	"github.com/bulkhead-dev/bulkhead/internal/keeper"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
)

// NewSandboxes returns a server over named sandboxes. Unlike New's its
// requests may last: a command's input is one.
func NewSandboxes(k *keeper.Keeper) *Server {
	mux := http.NewServeMux()
	mux.Handle(apiv1connect.NewSandboxesHandler(&sandboxes{keeper: k}, handlerOptions()...))
	return &Server{http: &http.Server{
		Handler:           mux,
		Protocols:         protocols(),
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
	}}
}

// sandboxes answers each procedure by one call of the keeper.
type sandboxes struct{ keeper *keeper.Keeper }

var _ apiv1connect.SandboxesHandler = (*sandboxes)(nil)

// CreateSandbox boots a sandbox.
func (h *sandboxes) CreateSandbox(ctx context.Context, req *connect.Request[apiv1.CreateSandboxRequest]) (*connect.Response[apiv1.Sandbox], error) {
	o, err := wire.FromCreateSandbox(req.Msg)
	if err != nil {
		return nil, wire.ToConnect(err)
	}
	b, err := h.keeper.Create(ctx, req.Msg.GetName(), o)
	return answer(b, err, wire.Sandbox)
}

// ListSandboxes lists the sandboxes by name.
func (h *sandboxes) ListSandboxes(context.Context, *connect.Request[apiv1.ListSandboxesRequest]) (*connect.Response[apiv1.ListSandboxesResponse], error) {
	return answer(h.keeper.List(), nil, wire.Sandboxes)
}

// patience is how long a sandbox may take to list its processes.
const patience = 2 * time.Second

// GetSandbox describes a sandbox, with its report and its processes.
func (h *sandboxes) GetSandbox(ctx context.Context, req *connect.Request[apiv1.GetSandboxRequest]) (*connect.Response[apiv1.Sandbox], error) {
	b, err := h.keeper.Get(req.Msg.GetName())
	if err != nil {
		return nil, wire.ToConnect(err)
	}
	out := wire.Sandbox(b)
	out.Report = wire.Report(b.Report())
	if b.Paused() {
		return connect.NewResponse(out), nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	list, err := b.Processes(ctx)
	if err != nil {
		return nil, wire.ToConnect(err)
	}
	out.Processes = wire.Processes(list)
	return connect.NewResponse(out), nil
}

// RemoveSandbox ends a sandbox.
func (h *sandboxes) RemoveSandbox(_ context.Context, req *connect.Request[apiv1.RemoveSandboxRequest]) (*connect.Response[apiv1.RemoveSandboxResponse], error) {
	if err := h.keeper.Remove(req.Msg.GetName(), req.Msg.GetKill()); err != nil {
		return nil, wire.ToConnect(err)
	}
	return connect.NewResponse(new(apiv1.RemoveSandboxResponse)), nil
}

// PauseSandbox pauses a sandbox or lets it go on.
func (h *sandboxes) PauseSandbox(_ context.Context, req *connect.Request[apiv1.PauseSandboxRequest]) (*connect.Response[apiv1.Sandbox], error) {
	return h.change(req.Msg.GetName(), func(b *keeper.Box) error {
		if req.Msg.GetResume() {
			return b.Resume()
		}
		return b.Pause()
	})
}

// LimitSandbox changes limits.
func (h *sandboxes) LimitSandbox(_ context.Context, req *connect.Request[apiv1.LimitSandboxRequest]) (*connect.Response[apiv1.Sandbox], error) {
	limits, err := wire.FromLimitSandbox(req.Msg)
	if err != nil {
		return nil, wire.ToConnect(err)
	}
	return h.change(req.Msg.GetName(), func(b *keeper.Box) error { return b.Limit(limits) })
}

// change does something to a sandbox and describes it.
func (h *sandboxes) change(name string, do func(*keeper.Box) error) (*connect.Response[apiv1.Sandbox], error) {
	b, err := h.keeper.Get(name)
	if err == nil {
		err = do(b)
	}
	return answer(b, err, wire.Sandbox)
}

// SignalInSandbox signals a command.
func (h *sandboxes) SignalInSandbox(ctx context.Context, req *connect.Request[apiv1.SignalInSandboxRequest]) (*connect.Response[apiv1.SignalInSandboxResponse], error) {
	b, err := h.keeper.Get(req.Msg.GetName())
	if err == nil {
		err = b.Signal(ctx, int(req.Msg.GetExec()), syscall.Signal(req.Msg.GetSignal()))
	}
	if err != nil {
		return nil, wire.ToConnect(err)
	}
	return connect.NewResponse(new(apiv1.SignalInSandboxResponse)), nil
}

// CopySandboxFiles copies files in or out.
func (h *sandboxes) CopySandboxFiles(ctx context.Context, req *connect.Request[apiv1.CopySandboxFilesRequest]) (*connect.Response[apiv1.CopySandboxFilesResponse], error) {
	m := req.Msg
	b, err := h.keeper.Get(m.GetName())
	if err != nil {
		return nil, wire.ToConnect(err)
	}
	if err := wire.CheckCopy(m); err != nil {
		return nil, wire.ToConnect(err)
	}
	var done keeper.Copied
	if m.GetOut() {
		done, err = b.CopyOut(ctx, m.GetPath(), m.GetHostPath())
	} else {
		done, err = b.CopyIn(ctx, m.GetHostPath(), m.GetPath())
	}
	return answer(done, err, wire.Copied)
}

// GetSandboxLogs streams a sandbox's log.
func (h *sandboxes) GetSandboxLogs(ctx context.Context, req *connect.Request[apiv1.GetSandboxLogsRequest], stream *connect.ServerStream[apiv1.SandboxLog]) error {
	b, err := h.keeper.Get(req.Msg.GetName())
	if err != nil {
		return wire.ToConnect(err)
	}
	return b.Logs(ctx, int(req.Msg.GetExec()), req.Msg.GetFollow(), func(e keeper.Entry) error {
		return stream.Send(wire.SandboxLog(e))
	})
}

// execStream is the stream of one command.
type execStream = connect.BidiStream[apiv1.SandboxInput, apiv1.SandboxOutput]

// ExecInSandbox runs a command.
func (h *sandboxes) ExecInSandbox(ctx context.Context, stream *execStream) error {
	first, err := stream.Receive()
	if err != nil {
		return err
	}
	start, err := wire.FromSandboxStart(first.GetStart())
	if err != nil {
		return wire.ToConnect(err)
	}
	b, err := h.keeper.Get(first.GetStart().GetName())
	if err != nil {
		return wire.ToConnect(err)
	}
	r := &remote{stream: stream, exec: b.Exec(start), box: b, started: time.Now()}
	if first.GetStart().GetDetach() {
		return wire.ToConnect(r.detach(ctx))
	}
	return wire.ToConnect(r.run(ctx))
}

// remote is a command whose streams are the caller's.
type remote struct {
	stream  *execStream
	exec    *keeper.Exec
	box     *keeper.Box
	started time.Time

	mu sync.Mutex // one sender at a time
}

// detach leaves the command to itself.
func (r *remote) detach(ctx context.Context) error {
	if r.exec.Terminal != nil {
		return fault.New(fault.Invalid, "a command without a caller cannot have a terminal")
	}
	if err := r.exec.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	r.exec.Detach()
	return r.send(&apiv1.SandboxOutput{Exec: int32(r.exec.Number)})
}

// run runs the command between the caller's streams.
func (r *remote) run(ctx context.Context) error {
	var stdin io.WriteCloser
	if r.exec.Terminal == nil {
		stdin = r.exec.StdinPipe()
		r.exec.Stdout = writer(func(p []byte) *apiv1.SandboxOutput { return &apiv1.SandboxOutput{Stdout: p} }, r)
		r.exec.Stderr = writer(func(p []byte) *apiv1.SandboxOutput { return &apiv1.SandboxOutput{Stderr: p} }, r)
	}
	if err := r.exec.Start(ctx); err != nil {
		return err
	}
	printed := make(chan struct{})
	if r.exec.Terminal != nil {
		stdin = r.exec.TTY()
		go func() { defer close(printed); r.print() }()
	} else {
		close(printed)
	}
	if err := r.send(&apiv1.SandboxOutput{Exec: int32(r.exec.Number)}); err != nil {
		_ = r.exec.Cmd.Signal(context.WithoutCancel(ctx), syscall.SIGKILL)
	}
	go r.feed(ctx, stdin) // ends with the stream

	exit, err := r.exec.Wait()
	if r.exec.Terminal != nil {
		r.hangUp(stdin, printed)
	}
	if err != nil && fault.KindOf(err) != fault.Failed { // Failed: the caller left
		return err
	}
	return r.send(&apiv1.SandboxOutput{Result: wire.CommandResult(r.box.Sandbox, exit, time.Since(r.started))})
}

// lastWords is how long what a terminal still prints is waited for when its
// command has ended: others may hold it open.
const lastWords = 200 * time.Millisecond

// hangUp closes the terminal of a command that has ended.
func (r *remote) hangUp(tty io.Closer, printed chan struct{}) {
	if tty == nil {
		return // the command could not be run
	}
	late := time.NewTimer(lastWords)
	defer late.Stop()
	select {
	case <-printed:
	case <-late.C:
	}
	_ = tty.Close()
	<-printed
}

// print sends what the terminal prints.
func (r *remote) print() {
	tty := r.exec.TTY()
	if tty == nil {
		return
	}
	buf := make([]byte, pieceSize)
	for {
		n, err := tty.Read(buf)
		if n > 0 && r.send(&apiv1.SandboxOutput{Stdout: buf[:n]}) != nil || err != nil {
			return
		}
	}
}

// feed passes on what the caller sends until there is no more.
func (r *remote) feed(ctx context.Context, stdin io.WriteCloser) {
	for {
		in, err := r.stream.Receive()
		if err != nil || in.GetEnd() {
			if r.exec.Terminal == nil && (err == nil || errors.Is(err, io.EOF)) {
				_ = stdin.Close()
			}
			if err != nil {
				return
			}
			continue
		}
		if size := in.GetResize(); size != nil && r.exec.Terminal != nil && stdin != nil {
			_ = r.exec.Resize(ctx, guest.Size{Rows: uint16(size.GetRows()), Cols: uint16(size.GetColumns())})
		}
		if len(in.GetData()) > 0 && stdin != nil {
			if _, err := stdin.Write(in.GetData()); err != nil {
				_ = stdin.Close() // nobody reads any more; go on taking, so that nobody waits
				stdin = closed{}
			}
		}
	}
}

// closed takes what is written to it and forgets it.
type closed struct{}

func (closed) Write(p []byte) (int, error) { return len(p), nil }
func (closed) Close() error                { return nil }

func (r *remote) send(m *apiv1.SandboxOutput) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stream.Send(m)
}

// pieceSize is how much of a stream travels in one message, in bytes.
const pieceSize = 32 << 10

// writer sends what is written as messages.
func writer(pack func([]byte) *apiv1.SandboxOutput, r *remote) io.Writer {
	return sendWriter{pack, r}
}

type sendWriter struct {
	pack func([]byte) *apiv1.SandboxOutput
	r    *remote
}

func (w sendWriter) Write(p []byte) (int, error) {
	if err := w.r.send(w.pack(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}
