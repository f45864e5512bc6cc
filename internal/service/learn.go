package service

import (
	"context"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/learn"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/workspace"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Learn finds the smallest policy beyond the command's own under which it
// passes. The command runs up to so many rounds, each time confined, with an
// empty stdin; what it writes to the host's folders goes to an overlay that is
// thrown away. Tell is told what happens.
func (s *Sandboxes) Learn(ctx context.Context, c Command, rounds int, tell func(string, ...any)) (learn.Lesson, error) {
	req, _, err := s.request(c)
	if err != nil {
		return learn.Lesson{}, err
	}
	if layerOf(req.Policy) == policy.Host {
		return learn.Lesson{}, fault.New(fault.Invalid, "without a sandbox nothing is refused, and there is nothing to learn")
	}
	return learn.Learn(ctx, learn.Options{
		Base: req.Policy, Args: c.Args, Rounds: rounds, Homes: []string{s.home}, Tell: tell,
		Run: func(ctx context.Context, p policy.Policy) (sandbox.Result, error) {
			trial := c
			trial.Policy = p
			return s.trial(ctx, trial)
		},
		May: func(p policy.Policy) error {
			if err := policy.Check(p, s.host); err != nil {
				return err
			}
			_, err := policy.CheckSockets(p, policy.ScanLimits{})
			return err
		},
	})
}

// trial runs a command once and throws away what it writes.
func (s *Sandboxes) trial(ctx context.Context, c Command) (sandbox.Result, error) {
	req, _, err := s.request(c)
	if err != nil {
		return sandbox.Result{}, err
	}
	if req.Workspace == "" && len(req.Policy.Filesystem.Write) == 0 {
		return s.compartments.Run(ctx, req, sandbox.IO{})
	}
	w, err := s.throwaway(req)
	if err != nil {
		return sandbox.Result{}, err
	}
	defer func() { _ = w.Discard() }()
	req.Overlays = overlaysOf(w)
	return s.compartments.Run(ctx, req, sandbox.IO{})
}

// throwaway is a workspace for one run.
func (s *Sandboxes) throwaway(req sandbox.Request) (*workspace.Workspace, error) {
	store, err := s.openWorkspaces()
	if err != nil {
		return nil, err
	}
	sources, err := writable(req)
	if err != nil {
		return nil, err
	}
	return store.Create(workspace.Options{Sources: sources})
}
