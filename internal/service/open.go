package service

import (
	"context"
	"maps"
	"path/filepath"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/live"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Opening is a live sandbox as the user asks for it.
type Opening struct {
	Policy     policy.Policy
	PolicyFile string            // where the policy was read from; empty: from no file
	Workspace  string            // host folder that becomes the work folder; empty: a private empty one
	Idle       time.Duration     // ends it when nothing was asked of it for so long; 0: never
	Env        map[string]string // values of the policy's env.pass; nil: from our own environment
}

// Open boots a live sandbox. The caller closes it.
func (s *Sandboxes) Open(ctx context.Context, o Opening) (*live.Sandbox, error) {
	req, opt, err := s.opening(o)
	if err != nil {
		return nil, err
	}
	return live.Open(ctx, s.compartments, req, opt)
}

// Stock keeps n live sandboxes ready, all alike. The caller closes it.
func (s *Sandboxes) Stock(o Opening, n int) (*live.Stock, error) {
	req, opt, err := s.opening(o)
	if err != nil {
		return nil, err
	}
	if o.Workspace != "" {
		return nil, fault.New(fault.Invalid, "sandboxes of a stock cannot share a work folder")
	}
	return live.NewStock(s.compartments, req, opt, n), nil
}

// opening makes an opening ready for a layer.
func (s *Sandboxes) opening(o Opening) (req sandbox.Request, opt live.Options, err error) {
	if o.Idle < 0 {
		return req, opt, fault.Newf(fault.Invalid, "an idle time of %s is negative", o.Idle)
	}
	if o.Workspace != "" && !filepath.IsAbs(o.Workspace) {
		return req, opt, fault.Newf(fault.Invalid, "the work folder %q is not an absolute path", o.Workspace)
	}
	p, warnings, err := s.granted(o.Policy, o.PolicyFile, o.Workspace)
	if err != nil {
		return req, opt, err
	}
	req = sandbox.Request{Policy: p, Workspace: o.Workspace}
	if o.Env != nil { // whoever asks is not this process
		req.Env = passed(p.Env.Pass, o.Env)
		req.Policy.Env.Pass = nil
	}
	return req, live.Options{Idle: o.Idle, Missing: warnings}, nil
}

// passed are the values of the names that a policy passes. A variable that the
// policy sets itself is never among them.
func passed(names []string, values map[string]string) map[string]string {
	env := maps.Clone(values)
	maps.DeleteFunc(env, func(name, _ string) bool {
		for _, n := range names {
			if n == name {
				return false
			}
		}
		return true
	})
	return env
}
