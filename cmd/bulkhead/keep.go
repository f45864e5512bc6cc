package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/internal/daemon"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
)

// keep holds the user's named sandboxes in the background. Users meet it as
// 'sandbox create'. Like hold's, its stdout ends when it is ready.
func (p program) keep() *cobra.Command {
	return &cobra.Command{
		Use:    "keep",
		Short:  "Keep the named sandboxes of this user until there are none",
		Hidden: true,
		Args:   wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, _, stop := interruptible(cmd.Context())
			defer stop()
			return daemon.Keep(ctx, p.getenv, closeStdio)
		},
	}
}

// keptEnv are the variables that the sandbox holder gets of ours: what says
// where things are. What a sandbox gets comes with the request to create it.
var keptEnv = []string{"HOME", "PATH", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "BULKHEAD_STATE", "BULKHEAD_INIT", "LANG", "TZ"}

func keepEnvironment() []string {
	var env []string
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); slices.Contains(keptEnv, name) {
			env = append(env, kv)
		}
	}
	return env
}

// kept connects to the process that keeps the user's sandboxes. With start it
// starts one when there is none.
func (p program) kept(ctx context.Context, start bool) (*daemon.Kept, error) {
	for deadline := time.Now().Add(keptPatience); ; {
		k, err := daemon.ConnectKept(ctx, p.getenv)
		if !start || !errors.Is(err, daemon.ErrNoKeeper) || time.Now().After(deadline) {
			return k, err
		}
		if err := startSelf(keepEnvironment(), "keep", "--json"); err != nil {
			return nil, err
		}
		k, err = daemon.ConnectKept(ctx, p.getenv)
		if !errors.Is(err, daemon.ErrNoKeeper) {
			return k, err
		}
		time.Sleep(20 * time.Millisecond) // the one before us is just leaving
	}
}

// keptPatience is how long a holder that leaves is waited for.
const keptPatience = 10 * time.Second

// withSandbox runs one exchange about a sandbox that there must be.
func (p program) withSandbox(cmd *cobra.Command, name string, do func(context.Context, *daemon.Kept) error) error {
	ctx, _, stop := interruptible(cmd.Context())
	defer stop()
	k, err := p.kept(ctx, false)
	if errors.Is(err, daemon.ErrNoKeeper) {
		return noSandbox(name)
	}
	if err != nil {
		return err
	}
	defer k.Close()
	return interrupted(ctx, wire.FromConnect(do(ctx, k)))
}

// noSandbox is the error for a name when there is no sandbox at all.
func noSandbox(name string) error {
	return fault.Newf(fault.NotFound, "there is no sandbox %q", name).
		WithHint("make one with 'bulkhead sandbox create %s'", name)
}
