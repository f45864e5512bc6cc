package sandbox

import (
	"context"
	"io"
	"os"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Layer is one way to build a wall around a process. Implementations are safe
// for concurrent use. Everything common to all layers (output limits,
// timeouts, reports) is written once in Manager.
type Layer interface {
	// Name is the layer's word in policies.
	Name() policy.Layer

	// Probe says what this host can enforce, and what to do about the rest.
	// It changes nothing and may be called often.
	Probe(ctx context.Context) []Capability

	// Plan lays out the steps that will enforce the policy of req on this
	// host. It starts nothing. It fails with fault.Denied for grants that may
	// not be given and with fault.Unsupported, naming the step, for what this
	// host cannot enforce, unless the policy says best effort.
	Plan(ctx context.Context, req Request) (Plan, error)
}

// Plan is an ordered list of steps, ready to be started any number of times.
type Plan interface {
	// Steps are the walls in the order in which they go up, for the report.
	Steps() []event.Step

	// Print writes the plan for a person: every step and kernel call in order.
	Print(w io.Writer) error

	// Start runs the command of the request once. The process has the given
	// pipes as its stdin, stdout and stderr; extra fds do not exist. An error
	// names the step that failed, and then nothing is left running.
	// Cancelling ctx does not kill the process: call Kill.
	Start(ctx context.Context, stdio [3]*os.File) (Process, error)

	// Close releases what the plan holds. It may be called twice.
	Close() error
}

// Process is a started command with its whole tree.
type Process interface {
	// Wait blocks until the tree is gone and everything it held is released.
	// It must be called exactly once.
	Wait() (Exit, error)

	// Terminate asks the whole tree to stop (SIGTERM). It never blocks.
	Terminate()

	// Kill ends the whole tree (SIGKILL). It never blocks and may be repeated.
	Kill()

	// PID is the process id on the host of the tree's first process.
	PID() int
}

// Exit is how a command ended, as a value.
type Exit struct {
	Code    int            // 0 to 255; 127 not found, 126 not executable; -1 when a signal ended it
	Signal  int            // 0: none
	Failure string         // why the command could not be run (then Code is 126 or 127); empty: it ran
	Limit   string         // the limit that ended it: memory, pids, …; empty: none
	Denials []event.Denial // what the kernel's counters and the trace say was refused
	Unkept  []string       // protected paths that could not be kept as they were, in words
}

// Request is a command under a policy.
type Request struct {
	Policy    policy.Policy     // parsed, granted
	Args      []string          // argv; Args[0] is looked up in the sandbox's own PATH
	Env       map[string]string // set by Bulkhead itself (worker contract), above policy.Env
	Workspace string            // host folder bound read-write as the work folder; empty: a private empty one
	Dir       string            // working directory inside; empty: the work folder
	ReadOnly  []string          // host folders that Bulkhead itself grants for reading (a bundle's payloads)
	Mounts    []Mount           // like ReadOnly, at another place inside
	Overlays  []Overlay         // writable folders of the host that are never written; each names the work folder or a folder of the policy's filesystem.write
	Guard     bool              // the work folder is somebody's project: protected paths in it are kept as in the policy's own writable folders

	// Within is where the policy's paths must lead once all links have been
	// followed; what leads elsewhere is fault.Denied. nil: anywhere, for a
	// policy that is the operator's own.
	Within *policy.Roots
}

// Overlay shows a host folder writable, while everything that is written goes
// to a folder of Bulkhead's own. The folder itself must not change as long as
// a process runs: what the process then sees is undefined.
type Overlay struct {
	Source string   // the host folder, free of symbolic links
	Layers []string // folders above it, the topmost first; never written either
	Upper  string   // a folder with the folders fs, which takes what is written, and work, the kernel's scratch
}

// Mount shows a host folder at a place inside, read-only.
type Mount struct {
	Source string
	Target string
}

// Capability is one thing that a host can or cannot enforce.
type Capability struct {
	Name   string `json:"name"` // e.g. "user namespace", "landlock", "cgroup memory"
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"` // version, path, or the error
	Remedy string `json:"remedy,omitempty"` // what to do when it is missing
}
