package bulkhead

import (
	"context"
	"os"
	"sync"

	"github.com/bulkhead-dev/bulkhead/internal/jail/reexec"
	"github.com/bulkhead-dev/bulkhead/internal/own"
	"github.com/bulkhead-dev/bulkhead/internal/service"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Options of a Runtime. The zero Options are usable.
type Options struct {
	// Init is the program bulkhead-init, the first process of sandboxes that
	// stay. Empty: what $BULKHEAD_INIT names, else bulkhead-init beside this
	// program, else in the PATH.
	Init string
	// State is the state folder of a Bulkhead daemon on this host, which no
	// policy may open. Empty: where the environment puts it.
	State string
	// Stock is how many starts to prepare for ahead; for programs that start
	// many sandboxes. 0: none.
	Stock int
}

// Runtime starts sandboxes in this process. It is safe for concurrent use. The
// functions NewSandbox and Run use one that is shared.
type Runtime struct {
	sandboxes *service.Sandboxes
}

// Init lets this program be started again as a part of a sandbox's start. On
// amd64 there is no need for it; elsewhere call it first in main.
func Init() { reexec.Init() }

// Open returns a Runtime. It touches nothing on the host until a sandbox is
// started.
func Open(opt Options) (*Runtime, error) {
	state, err := own.StatePath(opt.State, os.Getenv)
	if err != nil {
		state = "" // without a home there is none to protect
	}
	host := own.HostPaths(own.Real(state), os.Getenv)
	layers := own.Compartments(host, os.Getenv, own.Options{Init: opt.Init, Stock: opt.Stock})
	return &Runtime{sandboxes: service.NewSandboxes(layers, os.Getenv("HOME"), host)}, nil
}

// Close gives back what the Runtime holds of the host. Its sandboxes must have
// been closed. It may be called twice.
func (r *Runtime) Close() error { return r.sandboxes.Close() }

// shared is the Runtime of the package's functions.
var shared = sync.OnceValues(func() (*Runtime, error) { return Open(Options{}) })

// NewSandbox starts a sandbox that stays, in a Runtime of this process's; see
// Runtime.NewSandbox.
func NewSandbox(ctx context.Context, p policy.Policy, opts ...Option) (*Sandbox, error) {
	r, err := shared()
	if err != nil {
		return nil, err
	}
	return r.NewSandbox(ctx, p, opts...)
}

// Run runs one command in a sandbox of its own; see Runtime.Run.
func Run(ctx context.Context, p policy.Policy, args ...string) (*Result, error) {
	r, err := shared()
	if err != nil {
		return nil, err
	}
	return r.Run(ctx, p, args...)
}
