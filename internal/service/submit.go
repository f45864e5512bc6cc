package service

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"strings"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/engine"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/grant"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Submission is a bundle to be run as a job.
type Submission struct {
	Folder string                     // of the bundle; absolute
	Inputs map[string]json.RawMessage // the operator's values
	Grants grant.Grants               // what the operator allows
	Env    map[string]string          // values of the granted pass_env names; kept in memory only
}

// Submitted is a job that was accepted.
type Submitted struct {
	Job      event.JobID
	Warnings fault.Problems // what in the bundle has no effect, and the like
}

// Submit checks a bundle and what it asks for, and starts a job. When it
// returns without an error the job survives a crash.
//
// Errors: fault.Problems for a broken bundle or wrong inputs, fault.Denied,
// naming nodes and flags, for what was not granted, fault.Unavailable while
// this process is leaving.
func (j *Jobs) Submit(ctx context.Context, s Submission) (Submitted, error) {
	if !filepath.IsAbs(s.Folder) {
		return Submitted{}, fault.Newf(fault.Invalid, "the bundle's folder %q is not an absolute path", s.Folder)
	}
	loaded, err := j.Load(s.Folder)
	if err != nil {
		return Submitted{}, err
	}
	defer loaded.Close()

	graph, err := loaded.Graph.Expand(s.Inputs)
	if err != nil {
		return Submitted{}, err
	}
	grants, err := s.Grants.Pin()
	if err != nil {
		return Submitted{}, err
	}
	warnings, err := j.admit(&graph, grants)
	if err != nil {
		return Submitted{}, err
	}

	sub, err := submission(loaded, &graph, grants)
	if err != nil {
		return Submitted{}, err
	}
	err = j.run(sub.JobID, func() error {
		j.Secrets.Keep(sub.JobID, s.Env)
		_, err := j.Engine.Submit(ctx, sub)
		return err
	})
	return Submitted{Job: sub.JobID, Warnings: append(loaded.Warnings, warnings...)}, err
}

// admit refuses what was not granted, and what may never be granted. The
// warnings say which grants could not be checked.
func (j *Jobs) admit(g *bundle.Graph, grants grant.Grants) (fault.Problems, error) {
	if err := grant.Check(g, grants); err != nil {
		return nil, err
	}
	var warnings fault.Problems
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if n.Kind != bundle.Executor {
			continue
		}
		p, _, err := grants.Within(g, n)
		if err != nil {
			return nil, err
		}
		if err := policy.Check(p, j.Host); err != nil {
			return nil, fault.Newf(fault.Denied, "node %s: %w", n.ID, err).WithHint("%s", fault.HintOf(err))
		}
		if err := grants.Roots.Check(p); err != nil {
			return nil, fault.Newf(fault.Denied, "node %s: %w", n.ID, err).WithHint("%s", fault.HintOf(err))
		}
		unsure, err := policy.CheckSockets(p, policy.ScanLimits{})
		if err != nil {
			return nil, fault.Newf(fault.Denied, "node %s: %w", n.ID, err).WithHint("%s", fault.HintOf(err))
		}
		for _, w := range unsure {
			warnings = append(warnings, fault.Problem{Pointer: n.Pointer, Reason: w})
		}
	}
	return warnings, nil
}

// submission is what the engine needs to know of a checked bundle.
func submission(b *bundle.Bundle, g *bundle.Graph, grants grant.Grants) (engine.Submission, error) {
	raw, err := json.Marshal(grants)
	if err != nil {
		return engine.Submission{}, fault.Newf(fault.Internal, "write grants: %w", err)
	}
	digest, err := graphDigest(g)
	if err != nil {
		return engine.Submission{}, err
	}
	return engine.Submission{
		JobID:        newJobID(g.Name),
		Graph:        g,
		GraphDigest:  digest,
		BundleDigest: b.Digest,
		Folder:       b.Root,
		Grants:       raw,
	}, nil
}

// graphDigest names a graph by its content: nodes and values together, so two
// runs of one bundle with other inputs are two graphs.
func graphDigest(g *bundle.Graph) (string, error) {
	raw, err := json.Marshal(g)
	if err != nil {
		return "", fault.Newf(fault.Internal, "write graph: %w", err)
	}
	sum := sha256.Sum256(raw)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// maxName is how much of a job's name its id shows.
const maxName = 40

// newJobID is a readable id that nobody else has: the name, and eight digits
// from the system's random source.
func newJobID(name string) event.JobID {
	var tail [4]byte
	_, _ = rand.Read(tail[:]) // never fails; see crypto/rand
	return event.JobID(slug(name) + "-" + hex.EncodeToString(tail[:]))
}

// slug keeps what may stand in an id.
func slug(name string) string {
	letters := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}
	words := strings.FieldsFunc(strings.Map(letters, strings.ToLower(name)), func(r rune) bool { return r == '-' })
	out := strings.Join(words, "-")
	if len(out) > maxName {
		out = strings.TrimRight(out[:maxName], "-")
	}
	if out == "" {
		return "job"
	}
	return out
}
