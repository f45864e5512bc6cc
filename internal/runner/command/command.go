// Package command runs one attempt of an executor node: it lays out a work
// folder, starts the node's command in a sandbox, and reads what came of it.
//
// The contract with the worker is docs/worker-contract.md. Everything that a
// worker writes is hostile: it is bounded, checked at the door, and decides
// nothing about what the report says.
package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/engine"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/grant"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Sandbox runs one command under a policy; see sandbox.Manager. It is safe
// for concurrent use.
type Sandbox interface {
	Run(ctx context.Context, req sandbox.Request, streams sandbox.IO) (sandbox.Result, error)
}

// Options are what a runner is made of.
type Options struct {
	State   string                                   // the state folder
	Sandbox Sandbox                                  // for every layer but host
	Blobs   engine.Blobs                             // bodies that do not travel inline
	Load    func(dir string) (*bundle.Bundle, error) // reads the bundle of a job; see bundle/all
	Secrets *grant.Secrets                           // values of passed variables; nil: none are kept
}

// Runner runs attempts. It is safe for concurrent use.
type Runner struct {
	opt   Options
	host  Sandbox
	stage stage
}

var _ engine.Runner = (*Runner)(nil)

// New returns a runner.
func New(opt Options) *Runner {
	if opt.Secrets == nil {
		opt.Secrets = &grant.Secrets{}
	}
	return &Runner{opt: opt, host: host{}, stage: stage{dir: bundlesDir(opt.State), load: opt.Load}}
}

// Run runs one attempt; see engine.Runner. A defect of ours that an attempt
// brings to light fails that attempt, and not everybody's jobs.
func (r *Runner) Run(ctx context.Context, w engine.Work) (o event.Outcome) {
	defer func() {
		if defect := recover(); defect != nil {
			o = event.Outcome{Status: event.Failed, Cause: "start", Reason: clip(fmt.Sprintf("defect in the runner: %v", defect), maxReason)}
		}
	}()
	return r.run(ctx, w)
}

func (r *Runner) run(ctx context.Context, w engine.Work) event.Outcome {
	began := time.Now()
	a, err := r.prepare(ctx, w)
	if err != nil {
		return a.close(refused(ctx, err, a))
	}
	res, err := a.execute(ctx)
	if err != nil {
		return a.close(refused(ctx, err, a))
	}

	o := a.outcome(ctx, res)
	o.Took = time.Since(began)
	return a.close(o)
}

// attempt is one attempt in progress.
type attempt struct {
	r       *Runner
	w       engine.Work
	dir     string // on this host: logs, report, and the work folder work/
	place   place  // where the worker sees its folders
	body    body
	policy  policy.Policy
	roots   policy.Roots // where its paths may lead
	sandbox Sandbox
	req     sandbox.Request
	logs    *logs
	notes   []string // warnings
}

// place is where the worker sees things.
type place struct {
	work     string // the work folder
	payloads string // the bundle's payloads, read-only
	bundle   string // the folder that holds payloads/
}

// inside is the place in every sandbox.
var inside = place{work: "/work", payloads: "/payloads", bundle: "/"}

// prepare lays out everything that the attempt needs, step by step.
func (r *Runner) prepare(ctx context.Context, w engine.Work) (*attempt, error) {
	a := &attempt{r: r, w: w, place: inside, sandbox: r.opt.Sandbox}
	if err := a.permit(); err != nil {
		return a, err
	}
	payloads, err := r.stage.payloads(ctx, w.Folder, w.BundleDigest)
	if err != nil {
		return a, fmt.Errorf("stage payloads: %w", err)
	}
	if err := a.folder(payloads); err != nil {
		return a, fmt.Errorf("work folder: %w", err)
	}
	if err := a.contract(ctx); err != nil {
		return a, fmt.Errorf("contract files: %w", err)
	}
	if a.logs, err = openLogs(a.dir); err != nil {
		return a, fmt.Errorf("logs: %w", err)
	}
	a.request(payloads)
	return a, nil
}

// permit finds what the attempt may touch. The submission was checked; what
// exceeds the grants now was changed behind our back.
func (a *attempt) permit() error {
	var g grant.Grants
	if err := decodeGrants(a.w.Grants, &g); err != nil {
		return err
	}
	p, excess, err := g.Within(a.w.Graph, a.w.Node)
	if err != nil {
		return err
	}
	if err := policy.Refuse("node "+string(a.w.Node.ID), excess); err != nil {
		return err
	}
	a.policy, a.roots = p, g.Roots
	a.policy.Limits.WallTime = shorter(p.Limits.WallTime, a.w.Node.Executor.Timeout)
	if p.Layer == policy.Host {
		a.sandbox = a.r.host
	}
	return nil
}

// shorter is the shorter of two times, of which 0 means none.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}

// request puts together what the sandbox runs.
func (a *attempt) request(payloads string) {
	if a.policy.Layer == policy.Host {
		a.place = place{work: a.work(), payloads: payloads, bundle: parent(payloads)}
	}
	env := a.environment()
	p := a.policy.Clone()
	// Values are in env; the layer must not read its own process's environment.
	p.Env.Pass = nil
	a.req = sandbox.Request{
		Policy: p, Within: &a.roots, Args: a.args(), Env: env, Workspace: a.work(), Dir: a.workdir(),
		Mounts: []sandbox.Mount{{Source: payloads, Target: inside.payloads}},
	}
}

// execute runs the command and waits until its tree is gone.
func (a *attempt) execute(ctx context.Context) (sandbox.Result, error) {
	return a.sandbox.Run(ctx, a.req, sandbox.IO{Stdout: a.logs.stdout, Stderr: a.logs.stderr})
}

// close ends the logs, writes the report and returns the outcome.
func (a *attempt) close(o event.Outcome) event.Outcome {
	if a.logs != nil {
		if err := a.logs.close(); err != nil {
			o.Warnings = append(o.Warnings, "the log is not complete: "+err.Error())
		}
	}
	if err := a.report(o); err != nil {
		o.Warnings = append(o.Warnings, "report.json was not written: "+err.Error())
	}
	return o
}

// refused is the outcome of an attempt that could not be started.
func refused(ctx context.Context, err error, a *attempt) event.Outcome {
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	reason := err.Error()
	if hint := fault.HintOf(err); hint != "" {
		reason += "; " + hint
	}
	layer := a.policy.Layer
	if layer == "" {
		layer = policy.Native
	}
	return event.Outcome{
		Status: event.Failed, Cause: "start", Reason: clip(reason, maxReason),
		Report: &event.Report{Layer: string(layer)}, Warnings: a.notes,
	}
}

// stopped is the outcome of an attempt that the engine ended.
func stopped(ctx context.Context) event.Outcome {
	why := context.Cause(ctx)
	if errors.Is(why, engine.ErrCancelled) {
		return event.Outcome{Status: event.Cancelled, Reason: why.Error()}
	}
	return event.Outcome{Status: event.Released, Reason: why.Error()}
}

// clip cuts a text to at most n bytes, between runes, and makes it printable.
func clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	cut := strings.ToValidUTF8(s[:n], "")
	return cut + "…"
}

// exists reports whether a file is there.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
