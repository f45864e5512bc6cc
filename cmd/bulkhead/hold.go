package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/daemon"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
)

// linger is how long a background holder stays without a job.
const linger = 5 * time.Second

// hold runs the jobs of a state folder in the background. Users meet it as
// --detach. Its stdout ends when it is ready, or when it has failed with an
// Error object.
func (p program) hold() *cobra.Command {
	cmd := &cobra.Command{
		Use:    "hold",
		Short:  "Run the jobs of a state folder until they have ended",
		Hidden: true,
		Args:   wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, _, stop := interruptible(cmd.Context())
			defer stop()
			s, err := p.attach(cmd, daemon.Serve)
			if err != nil {
				return err
			}
			if err := closeStdio(); err != nil || s.Holder == nil {
				return errors.Join(err, s.Close()) // nil: somebody else runs them
			}
			err = s.Holder.Linger(ctx, linger)
			return interrupted(ctx, errors.Join(err, s.Close()))
		},
	}
	stateFlag(cmd)
	return cmd
}

// closeStdio lets go of what connects us to the process that started us.
func closeStdio() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return fault.Newf(fault.Unavailable, "open %s: %w", os.DevNull, err)
	}
	defer null.Close()
	for fd := range 3 {
		if err := unix.Dup3(int(null.Fd()), fd, 0); err != nil {
			return fault.Newf(fault.Unavailable, "leave stdio: %w", err)
		}
	}
	return nil
}

// background attaches to the holder of a state folder; when there is none it
// starts one that outlives this process.
func (p program) background(ctx context.Context, named string) (*daemon.Session, error) {
	state, err := daemon.StatePath(named, p.getenv)
	if err != nil {
		return nil, err
	}
	s, err := p.attachTo(ctx, state, daemon.Join)
	if !errors.Is(err, daemon.ErrNoHolder) {
		return s, err
	}
	if err := startHolder(state); err != nil {
		return nil, err
	}
	return p.attachTo(ctx, state, daemon.Join)
}

// startHolder starts the holder of a state folder and returns when it answers.
func startHolder(state string) error {
	return startSelf(os.Environ(), "hold", "--json", "--state", state)
}

// startSelf starts this program again, apart from our terminal and session,
// and returns when it answers.
func startSelf(env []string, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return fault.Newf(fault.Unavailable, "find own program: %w", err)
	}
	cmd := exec.Command(self, args...)
	cmd.Dir, cmd.Env = "/", env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fault.Newf(fault.Unavailable, "start background process: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fault.Newf(fault.Unavailable, "start background process: %w", err)
	}

	said, err := io.ReadAll(out)
	if err != nil {
		return fault.Newf(fault.Unavailable, "background process: %w", err)
	}
	if len(said) == 0 {
		return cmd.Process.Release()
	}
	_ = cmd.Wait()
	var e apiv1.Error
	if err := wire.FromJSON(said, &e); err != nil {
		return fault.Newf(fault.Unavailable, "background process: %s", said)
	}
	return wire.FromError(&e)
}

// shellWord is a word as a shell reads it back.
func shellWord(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+=:,@%"
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
