package service

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/engine"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/grant"
	"github.com/bulkhead-dev/bulkhead/internal/store"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Engine is what Jobs asks of the engine; see engine.Engine.
type Engine interface {
	Submit(ctx context.Context, sub engine.Submission) (event.Summary, error)
	Job(ctx context.Context, id event.JobID) (engine.Job, error)
	Wait(ctx context.Context, id event.JobID) (event.Summary, error)
	Cancel(ctx context.Context, id event.JobID, reason string) error
	Pause(ctx context.Context, id event.JobID, kill bool) error
	Resume(ctx context.Context, id event.JobID) error
}

// Store is what Jobs reads of a store that tells about changes; see
// store.Notifier.
type Store interface {
	Load(ctx context.Context, job event.JobID) (event.Snapshot, error)
	Events(ctx context.Context, job event.JobID, after event.Seq, max int) ([]event.Event, error)
	Changed(job event.JobID) (changed <-chan struct{}, stop func())
	Blob(ctx context.Context, ref event.BlobRef) (io.ReadCloser, error)
	List(ctx context.Context, q store.Query) (store.Page, error)
	Info(ctx context.Context) (store.Info, error)
}

// Options are what Jobs is made of.
type Options struct {
	Engine  Engine
	Store   Store
	Load    Loader
	Secrets *grant.Secrets
	Host    policy.HostPaths                 // what no policy may open
	Attempt func(started event.Event) string // the folder of an attempt in the state folder, from its attempt.started
	State   string                           // the state folder
	Version string                           // of this build
}

// Jobs is every action on jobs. It is safe for concurrent use.
type Jobs struct {
	Options
	active active
}

// NewJobs returns the actions over an engine and its store.
func NewJobs(opt Options) *Jobs { return &Jobs{Options: opt} }

// maxID is the length of the longest job id in bytes.
const maxID = 64

// checkID refuses what cannot be an id before anything is looked up: ids
// become paths.
func checkID(id event.JobID) error {
	letter := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' }
	other := func(r rune) bool { return !letter(r) }
	if id != "" && len(id) <= maxID && !strings.HasPrefix(string(id), "-") && !strings.ContainsFunc(string(id), other) {
		return nil
	}
	return fault.Newf(fault.NotFound, "there is no job %q", string(id)).WithHint("list them: bulkhead job list")
}

// Get describes a job.
func (j *Jobs) Get(ctx context.Context, id event.JobID) (Job, error) {
	if err := checkID(id); err != nil {
		return Job{}, err
	}
	job, err := j.Engine.Job(ctx, id)
	if err != nil {
		return Job{}, err
	}
	var grants grant.Grants
	if len(job.Grants) > 0 {
		if err := json.Unmarshal(job.Grants, &grants); err != nil {
			return Job{}, fault.Newf(fault.Corrupt, "grants of job %s: %w", id, err)
		}
	}
	return Job{
		Job:      job,
		PassEnv:  grants.Names(),
		Attempts: filepath.Join(j.State, "jobs", string(id)),
	}, nil
}

// List returns a part of the jobs, newest first. It starts nothing.
func (j *Jobs) List(ctx context.Context, q store.Query) (store.Page, error) {
	if q.Max < 0 || q.Max > maxList {
		return store.Page{}, fault.Newf(fault.Invalid, "cannot list %d jobs at once; at most %d", q.Max, maxList)
	}
	for _, s := range q.Status {
		if err := checkStatus(s); err != nil {
			return store.Page{}, err
		}
	}
	return j.Store.List(ctx, q)
}

// maxList is the most jobs in one answer.
const maxList = 1000

// statuses are the words for where a job stands.
var statuses = []string{"pending", "running", "paused", "cancelling", "completed", "failed", "cancelled"}

func checkStatus(s event.JobStatus) error {
	for _, known := range statuses {
		if string(s) == known {
			return nil
		}
	}
	err := fault.Newf(fault.Invalid, "unknown status %q", string(s))
	if near := fault.Nearest(string(s), statuses); near != "" {
		return err.WithHint("did you mean '%s'?", near)
	}
	return err
}

// Watch yields a job's events after a sequence number; see watch.
func (j *Jobs) Watch(ctx context.Context, id event.JobID, after event.Seq, follow bool) iter.Seq2[event.Event, error] {
	if err := checkID(id); err != nil {
		return func(yield func(event.Event, error) bool) { yield(event.Event{}, err) }
	}
	return watch(ctx, j.Store, id, after, follow)
}

// Cancel ends a job and returns when nothing of it runs any more.
func (j *Jobs) Cancel(ctx context.Context, id event.JobID) (Job, error) {
	return j.change(ctx, id, func() error { return j.Engine.Cancel(ctx, id, "cancelled by the operator") })
}

// Pause stops a job from starting attempts; with kill it ends those that run.
func (j *Jobs) Pause(ctx context.Context, id event.JobID, kill bool) (Job, error) {
	return j.change(ctx, id, func() error { return j.Engine.Pause(ctx, id, kill) })
}

// Resume unpauses a job, or adopts one whose owner is gone. Env has the values
// of its pass_env names.
func (j *Jobs) Resume(ctx context.Context, id event.JobID, env map[string]string) (Job, error) {
	return j.change(ctx, id, func() error {
		return j.run(id, func() error {
			j.Secrets.Keep(id, env)
			return j.Engine.Resume(ctx, id)
		})
	})
}

// change does something to a job and describes it as it is then.
func (j *Jobs) change(ctx context.Context, id event.JobID, do func() error) (Job, error) {
	if err := checkID(id); err != nil {
		return Job{}, err
	}
	if err := do(); err != nil {
		return Job{}, err
	}
	return j.Get(ctx, id)
}

// Info describes this process and its store.
type Info struct {
	Version string
	State   string
	PID     int
	Store   store.Info
}

// Info describes this process and its store.
func (j *Jobs) Info(ctx context.Context) (Info, error) {
	info, err := j.Store.Info(ctx)
	return Info{Version: j.Version, State: j.State, PID: os.Getpid(), Store: info}, err
}
