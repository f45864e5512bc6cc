package main

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/internal/daemon"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
)

// stateFlag adds --state to a command.
func stateFlag(cmd *cobra.Command) {
	cmd.Flags().String("state", "", "state `DIR` (default: $BULKHEAD_STATE, $XDG_STATE_HOME/bulkhead, ~/.local/state/bulkhead)")
	_ = cmd.RegisterFlagCompletionFunc("state", completeFolder)
}

// attach connects a command to the holder of its state folder.
func (p program) attach(cmd *cobra.Command, mode daemon.Mode) (*daemon.Session, error) {
	named, _ := cmd.Flags().GetString("state")
	return p.attachTo(cmd.Context(), named, mode)
}

func (p program) attachTo(ctx context.Context, named string, mode daemon.Mode) (*daemon.Session, error) {
	state, err := daemon.StatePath(named, p.getenv)
	if err != nil {
		return nil, err
	}
	return daemon.Attach(ctx, daemon.Options{
		State:   state,
		Mode:    mode,
		Getenv:  p.getenv,
		Version: versionInfo().GetVersion(),
	})
}

// with runs one exchange with the holder of the command's state folder, and
// prints through the program that do is given. When the holder leaves in the
// middle, it is run once more with the next one: an exchange must be harmless
// to repeat.
func (p program) with(cmd *cobra.Command, mode daemon.Mode, do func(context.Context, program, *daemon.Session) error) error {
	ctx, _, stop := interruptible(cmd.Context())
	defer stop()
	cmd.SetContext(ctx)

	for last := false; ; last = true {
		s, err := p.attach(cmd, mode)
		if err != nil {
			return interrupted(ctx, err)
		}
		ours := s.Holder != nil
		err = p.exchange(ctx, s, do)
		if last || ours || fault.KindOf(err) != fault.Unavailable {
			return interrupted(ctx, err)
		}
	}
}

// exchange runs one exchange and closes the session. If this process is the
// holder, what it prints is kept until it is so no more.
func (p program) exchange(ctx context.Context, s *daemon.Session, do func(context.Context, program, *daemon.Session) error) error {
	if s.Holder == nil {
		return errors.Join(wire.FromConnect(do(ctx, p, s)), s.Close())
	}
	kept, direct := new(spool), p.out
	p.out = kept
	err := wire.FromConnect(do(ctx, p, s))
	return errors.Join(err, s.Close(), kept.flush(direct))
}

// interrupted replaces the many ways in which an interruption shows.
func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return fault.New(fault.Interrupted, "interrupted")
	}
	return err
}

// stream is the receiving end of an API stream.
type stream[T any] interface {
	Receive() bool
	Msg() *T
	Err() error
	Close() error
}

// eachOf calls do for each message of a stream.
func eachOf[T any](s stream[T], do func(*T) error) error {
	for s.Receive() {
		if err := do(s.Msg()); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	if err := s.Err(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return s.Close()
}

// environment is the part of our environment that names ask for.
func environment(names []string) map[string]string {
	env := make(map[string]string)
	for _, name := range names {
		if value, ok := os.LookupEnv(name); ok {
			env[name] = value
		}
	}
	return env
}

// milliseconds as the API gives them.
func milliseconds(ms float64) string {
	return wire.FromMillis(ms).Round(10 * time.Millisecond).String()
}
