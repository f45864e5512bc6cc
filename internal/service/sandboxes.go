package service

import (
	"context"
	"strings"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Compartments is what Sandboxes asks of the layers together. All methods may
// be called concurrently.
type Compartments interface {
	// Run runs one command to its end; see sandbox.Manager.
	Run(ctx context.Context, req sandbox.Request, io sandbox.IO) (sandbox.Result, error)
	// Plan lays out what Run would do, and starts nothing.
	Plan(ctx context.Context, req sandbox.Request) (sandbox.Plan, error)
	// Boot starts a live sandbox.
	Boot(ctx context.Context, req sandbox.Request) (sandbox.Machine, error)
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
	p, warnings, err := s.granted(c.Policy, c.PolicyFile, "")
	if err != nil {
		return req, nil, err
	}
	return sandbox.Request{Policy: p, Args: c.Args, Dir: c.Dir}, warnings, nil
}

// granted resolves a policy and refuses what may never be granted, a work
// folder of the host included.
func (s *Sandboxes) granted(asked policy.Policy, file, workspace string) (p policy.Policy, warnings []string, err error) {
	p, err = policy.Resolve(asked, policy.Placement{Home: s.home})
	if err != nil {
		return p, nil, err
	}
	host := s.host
	if file != "" {
		host.Policies = []string{file}
	}
	whole := p
	if workspace != "" {
		whole = p.With(policy.Writable(workspace))
	}
	if err := policy.Check(whole, host); err != nil {
		return p, nil, err
	}
	warnings, err = policy.CheckSockets(whole, policy.ScanLimits{})
	return p, warnings, err
}

// layerOf is the layer that a policy names; native when it names none.
func layerOf(p policy.Policy) policy.Layer {
	if p.Layer == "" {
		return policy.Native
	}
	return p.Layer
}
