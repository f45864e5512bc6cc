package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"connectrpc.com/connect"
	"golang.org/x/term"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/cmd/bulkhead/internal/escape"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// execStream is the caller's end of a command's stream.
type execStream = *connect.BidiStreamForClient[apiv1.SandboxInput, apiv1.SandboxOutput]

// size is the terminal's size; a terminal that does not tell has 24 by 80.
func (t *userTerminal) size() *apiv1.TerminalSize {
	columns, rows, err := term.GetSize(int(t.out.Fd()))
	if err != nil || columns <= 0 || rows <= 0 {
		columns, rows = 80, 24
	}
	return &apiv1.TerminalSize{Rows: int32(rows), Columns: int32(columns)}
}

// connect connects the terminal with a session until that ends, or a signal
// ends us. The terminal is as it was when connect returns, also by a panic.
func (t *userTerminal) connect(ctx context.Context, s shellSession, raw bool) (*apiv1.ExecResult, error) {
	ctx, caught, stop := interruptible(ctx)
	defer stop()
	before, err := term.MakeRaw(int(t.in.Fd()))
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "terminal: %w", err)
	}
	filter := escape.NewWriter(t.out)
	out := io.Writer(filter)
	if raw { // the filter only watches which modes are left on
		filter = escape.NewWriter(io.Discard)
		out = io.MultiWriter(t.out, filter)
	}
	defer func() {
		_, _ = io.WriteString(t.out, filter.Reset())
		_ = term.Restore(int(t.in.Fd()), before)
	}()

	defer t.followSize(s)()
	go func() { _, _ = io.Copy(s, t.in) }() // a read from a terminal cannot be interrupted, so nobody waits for it
	printed := make(chan error, 1)
	go func() {
		_, err := io.Copy(out, s)
		printed <- err
	}()
	select {
	case err = <-printed:
	case <-ctx.Done():
		_ = s.Close() // ends the reading
		<-printed
		return nil, signalled(caught())
	}
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "terminal: %w", err)
	}
	return s.Wait()
}

// signalled ends the program as a shell would that the signal ended.
func signalled(s syscall.Signal) error {
	return exitStatus(execSignal + int(s))
}

// followSize tells the session whenever the terminal's size changes. The
// function that it returns ends this.
func (t *userTerminal) followSize(s shellSession) (stop func()) {
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, syscall.SIGWINCH)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-changes:
				_ = s.Resize(t.size())
			case <-quit:
				return
			}
		}
	}()
	return func() {
		signal.Stop(changes)
		close(quit)
		<-done
	}
}
