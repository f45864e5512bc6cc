package service

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/workspace"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Compartments is what Sandboxes asks of the layers together. All methods may
// be called concurrently.
type Compartments interface {
	// Run runs one command to its end; see sandbox.Manager.
	Run(ctx context.Context, req sandbox.Request, io sandbox.IO) (sandbox.Result, error)
	// Plan lays out what Run would do, and starts nothing.
	Plan(ctx context.Context, req sandbox.Request) (sandbox.Plan, error)
	// Layers are the layers that there are.
	Layers() []sandbox.Layer
	// Close gives back what the layers hold of the host.
	Close() error
}

// Sandboxes is every action on single commands. It needs no store.
type Sandboxes struct {
	compartments Compartments
	home         string
	host         policy.HostPaths
	workspaces   func() (*workspace.Store, error) // nil: there are none
}

// NewSandboxes returns the actions over some layers. Home is what ~ stands
// for in a policy, and host what no policy may open.
func NewSandboxes(c Compartments, home string, host policy.HostPaths) *Sandboxes {
	return &Sandboxes{compartments: c, home: home, host: host}
}

// Close gives back what the layers hold of the host. It may be called twice.
func (s *Sandboxes) Close() error { return s.compartments.Close() }

// Command is one command under a policy, as the user asked for it.
type Command struct {
	Policy     policy.Policy
	PolicyFile string // where the policy was read from; empty: from no file
	Args       []string
	Dir        string // inside the sandbox; empty: its work folder
	Workspace  string // host folder shown as the work folder; empty: a private empty one
	Overlay    bool   // explain only: what may be written is shown through an overlay
}

// Exec runs a command. How it ends is a Result; an error means that nothing ran.
func (s *Sandboxes) Exec(ctx context.Context, c Command, streams sandbox.IO) (sandbox.Result, error) {
	req, warnings, err := s.request(c)
	if err != nil {
		return sandbox.Result{}, err
	}
	result, err := s.compartments.Run(ctx, req, streams)
	result.Report.Missing = append(result.Report.Missing, warnings...)
	return result, err
}

// Explanation is the plan of a command.
type Explanation struct {
	Layer   policy.Layer
	Steps   []event.Step
	Program string // every kernel call in order, as text
}

// Explain says what Exec would do.
func (s *Sandboxes) Explain(ctx context.Context, c Command) (Explanation, error) {
	req, _, err := s.request(c)
	if err != nil {
		return Explanation{}, err
	}
	if c.Overlay {
		if req.Overlays, err = planned(req); err != nil {
			return Explanation{}, err
		}
	}
	plan, err := s.compartments.Plan(ctx, req)
	if err != nil {
		return Explanation{}, err
	}
	defer plan.Close()

	text := new(strings.Builder)
	if err := plan.Print(text); err != nil {
		return Explanation{}, err
	}
	return Explanation{Layer: layerOf(req.Policy), Steps: plan.Steps(), Program: text.String()}, nil
}

// request makes a command ready for a layer: paths are resolved, and what may
// never be granted is refused. The warnings say what could not be checked.
func (s *Sandboxes) request(c Command) (req sandbox.Request, warnings []string, err error) {
	if len(c.Args) == 0 {
		return req, nil, fault.New(fault.Invalid, "no command")
	}
	p, err := policy.Resolve(c.Policy, policy.Placement{Home: s.home})
	if err != nil {
		return req, nil, err
	}

	host := s.host
	if c.PolicyFile != "" {
		host.Policies = []string{c.PolicyFile}
	}
	req = sandbox.Request{Policy: p, Args: c.Args, Dir: c.Dir, Guard: c.Workspace != ""}
	if req.Workspace, err = folder(c.Workspace); err != nil {
		return req, nil, err
	}
	asked := p // the work folder is checked like any grant for writing
	if req.Workspace != "" {
		asked = p.With(policy.Writable(req.Workspace))
	}
	if err := policy.Check(asked, host); err != nil {
		return req, nil, err
	}
	warnings, err = policy.CheckSockets(asked, policy.ScanLimits{})
	return req, warnings, err
}

// folder is where the name of a work folder really leads; empty stays empty.
func folder(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	real, err := filepath.Abs(name)
	if err == nil {
		real, err = filepath.EvalSymlinks(real)
	}
	if err != nil {
		return "", fault.Newf(fault.Invalid, "work folder: %w", err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return "", fault.Newf(fault.Invalid, "work folder: %w", err)
	}
	if !info.IsDir() {
		return "", fault.Newf(fault.Invalid, "work folder %s is not a folder", name)
	}
	return real, nil
}

// layerOf is the layer that a policy names; native when it names none.
func layerOf(p policy.Policy) policy.Layer {
	if p.Layer == "" {
		return policy.Native
	}
	return p.Layer
}
