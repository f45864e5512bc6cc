package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bulkhead-dev/bulkhead/bundle/internal/tree"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// The bounds of an executor's settings.
const (
	maxAttempts = 100
	maxTimeout  = 10 * 365 * 24 * time.Hour // no limit in practice, and near enough to add to any time
	maxExternal = 256                       // bytes of one declared call
)

// imageForm is an OCI reference: name, tag, digest.
var imageForm = regexp.MustCompile(`^[a-z0-9]+([._:/-]+[A-Za-z0-9]+)*(@sha256:[0-9a-f]{64})?$`)

// laterRunners are words that a later version will take.
var laterRunners = []string{"wasm", "gvisor", "microvm"}

// retryCauses is the closed list of retry.on, beside exit:N.
var retryCauses = []string{"exit", "exit:N", "signal", "timeout", "limit", "control", "worker", "start", "any"}

func (c *checker) node(at string, n *Node) {
	c.id(at+"/id", "the node", string(n.ID))
	c.kind(at, n)
	c.word(at+"/failure_policy", n.FailurePolicy, FailJob, Continue)
	if n.Concurrency < 0 || n.Concurrency > maxConcurrency {
		c.add(at+"/concurrency", fmt.Sprintf("must be from 1 to %d, is %d", maxConcurrency, n.Concurrency), "")
	}
	if n.Router != nil {
		c.typeName(at+"/config/emit_type", n.Router.EmitType)
	}
	if n.Aggregator != nil {
		c.aggregator(at+"/config", n.Aggregator)
	}
	if n.Executor != nil {
		c.executor(at+"/config", n.Executor)
	}
}

// kind checks that a node has a kind, and the part that the kind names.
func (c *checker) kind(at string, n *Node) {
	parts := map[NodeKind]bool{Router: n.Router != nil, Executor: n.Executor != nil, Aggregator: n.Aggregator != nil}
	switch own, known := parts[n.Kind]; {
	case n.Kind == Sensor:
		c.add(at+"/type", "sensor nodes are not supported yet", "let an executor wait, or start the job when the event has come")
	case n.Kind == "":
		c.add(at+"/type", "the node has no type", "use one of: router, executor, aggregator")
	case !known:
		c.word(at+"/type", string(n.Kind), "router", "executor", "aggregator", "sensor")
	case !own:
		c.add(at+"/config", fmt.Sprintf("a node of type %s has no config of it", n.Kind), "")
	}
	for _, kind := range slices.Sorted(maps.Keys(parts)) {
		if parts[kind] && kind != n.Kind {
			c.add(at+"/config", fmt.Sprintf("a node of type %s has the config of type %s", n.Kind, kind), "")
		}
	}
}

func (c *checker) aggregator(at string, a *AggregatorConfig) {
	if a.CompleteAfter < 0 {
		c.add(at+"/complete_after", fmt.Sprintf("must not be negative, is %d", a.CompleteAfter), "")
	}
	c.typeName(at+"/complete_on", a.CompleteOn)
	c.typeName(at+"/output_message_type", a.OutputMessageType)
}

func (c *checker) executor(at string, e *ExecutorConfig) {
	c.runner(at+"/runner", e)
	c.command(at+"/command", e.Command)
	c.uploads(at+"/uploads", e.Uploads)
	c.workdir(at+"/workdir", e.Workdir)
	c.env(at, e)
	c.timeout(at+"/timeout", e.Timeout)
	c.retry(at+"/retry", e.Retry)
	c.pool(at, e)
	c.typeName(at+"/output_message_type", e.OutputMessageType)
	for i, call := range e.External {
		if call == "" || len(call) > maxExternal {
			c.add(fmt.Sprintf("%s/external/%d", at, i), fmt.Sprintf("must be a text of 1 to %d bytes", maxExternal), "name what is called, such as \"https://api.example.org\"")
		}
	}
	if err := e.Policy.Validate(); err != nil {
		c.policy(at+"/policy", err)
	}
}

func (c *checker) runner(at string, e *ExecutorConfig) {
	if slices.Contains(laterRunners, e.Runner) {
		c.add(at, fmt.Sprintf("runner %s is not supported yet", e.Runner), "use native")
		return
	}
	if e.Runner == "" {
		c.add(at, "the runner is empty", "leave it out for native")
	}
	c.word(at, e.Runner, RunnerNative, RunnerHost)
	if e.Image == "" {
		return
	}
	image := path.Dir(at) + "/image"
	if !imageForm.MatchString(e.Image) {
		c.add(image, fmt.Sprintf("%s is not the name of an image", tree.Quote(e.Image)), `write it like "python:3.12" or "registry.example.org/team/image@sha256:…"`)
		return
	}
	c.warn(image, fmt.Sprintf("image has no effect with runner %s", e.Runner), "")
}

func (c *checker) command(at string, args []string) {
	if len(args) == 0 || args[0] == "" {
		c.add(at, "the executor has no command", `give an array, such as ["python3", "worker.py"], or a string of shell text`)
		return
	}
	for i, arg := range args {
		if strings.ContainsRune(arg, 0) {
			c.add(fmt.Sprintf("%s/%d", at, i), "contains a NUL byte, which no argument can hold", "")
		}
	}
}

func (c *checker) workdir(at, dir string) {
	if dir != "" && !local(dir) {
		c.add(at, fmt.Sprintf("%s is outside the work folder", tree.Quote(dir)), "write it relative to the work folder")
	}
}

// local reports whether a slash-separated path is relative and stays beneath
// where it begins.
func local(p string) bool {
	return fs.ValidPath(path.Clean(p)) && !strings.ContainsRune(p, 0)
}

func (c *checker) uploads(at string, uploads []Upload) {
	seen := make(map[string]int, len(uploads))
	for i, u := range uploads {
		each := fmt.Sprintf("%s/%d", at, i)
		if !c.upload(each, u) {
			continue
		}
		target := u.TargetPath()
		if first, ok := seen[target]; ok {
			c.add(each+"/target", fmt.Sprintf("%s is also the target of upload %d", tree.Quote(target), first), "give each a target of its own")
			continue
		}
		seen[target] = i
	}
}

// upload checks one upload and reports whether it is sound.
func (c *checker) upload(at string, u Upload) bool {
	switch {
	case u.Source == "":
		c.add(at+"/source", "source is missing", "name a file or folder under payloads/")
		return false
	case !local(u.Source):
		c.add(at+"/source", fmt.Sprintf("%s is outside payloads/", tree.Quote(u.Source)), "name a file or folder under payloads/, relative to it")
		return false
	case u.Target != "" && !local(u.Target):
		c.add(at+"/target", fmt.Sprintf("%s is outside the work folder", tree.Quote(u.Target)), "write it relative to the work folder")
		return false
	}
	return c.uploadSource(at, u)
}

// uploadSource checks that an upload's source exists.
func (c *checker) uploadSource(at string, u Upload) bool {
	if c.payloads == nil {
		return true
	}
	kind, ok := c.payloads.kinds[path.Clean(u.Source)]
	switch {
	case !ok && c.full():
		return false
	case !ok:
		c.add(at+"/source", fmt.Sprintf("payloads/ has no %s", tree.Quote(u.Source)), c.payloads.hint(u.Source))
		return false
	case !kind.IsDir() && u.TargetPath() == ".":
		c.add(at+"/target", "a file cannot take the place of the work folder", "leave target out for the file's own name")
		return false
	}
	return true
}

// hint names a payload like the one that was asked for.
func (s *scan) hint(name string) string {
	if near := tree.Nearest(name, slices.Sorted(maps.Keys(s.kinds))); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "source is relative to payloads/"
}

// TargetPath is where the upload goes, relative to the work folder and clean:
// its target or the source's base name. "." is the work folder itself.
func (u Upload) TargetPath() string {
	if u.Target == "" {
		return path.Base(path.Clean(u.Source))
	}
	return path.Clean(u.Target)
}

// env checks the variables as the policy checks its own: they end up there.
func (c *checker) env(at string, e *ExecutorConfig) {
	err := policy.Policy{Env: policy.Env{Set: e.Env, Pass: e.PassEnv}}.Validate()
	var problems fault.Problems
	if !errors.As(err, &problems) {
		return
	}
	places := strings.NewReplacer("/env/set", "/env", "/env/pass", "/pass_env")
	for _, p := range problems {
		c.add(at+places.Replace(p.Pointer), p.Reason, p.Fix)
	}
}

func (c *checker) timeout(at string, d time.Duration) {
	if d < 0 || d > maxTimeout {
		c.add(at, fmt.Sprintf("must be from 0s to %s, is %s", maxTimeout, d), "leave it out for none")
	}
}

func (c *checker) retry(at string, r Retry) {
	if r.MaxAttempts < 0 || r.MaxAttempts > maxAttempts {
		c.add(at+"/max_attempts", fmt.Sprintf("must be from 1 to %d, is %d", maxAttempts, r.MaxAttempts), "")
	}
	if r.Jitter < 0 || r.Jitter > 1 {
		c.add(at+"/jitter", fmt.Sprintf("must be from 0 to 1, is %v", r.Jitter), "")
	}
	c.timeout(at+"/backoff", r.Backoff)
	c.timeout(at+"/max_backoff", r.MaxBackoff)
	if r.MaxBackoff > 0 && r.Backoff > r.MaxBackoff {
		c.add(at+"/max_backoff", fmt.Sprintf("max_backoff %s is less than backoff %s", r.MaxBackoff, r.Backoff), "")
	}
	for i, cause := range r.On {
		c.cause(fmt.Sprintf("%s/on/%d", at, i), cause)
	}
	if len(r.On) > 0 && r.MaxAttempts < 2 {
		c.warn(at, "retry has no effect without max_attempts of at least 2", "")
	}
}

// cause checks one word of retry.on.
func (c *checker) cause(at, cause string) {
	if code, ok := strings.CutPrefix(cause, "exit:"); ok && cause != "exit:N" {
		if n, err := strconv.Atoi(code); err != nil || n < 1 || n > 255 || strconv.Itoa(n) != code {
			c.add(at, fmt.Sprintf("%s is not an exit code", tree.Quote(code)), "write exit:1 to exit:255")
		}
		return
	}
	if cause == "" || cause == "exit:N" {
		c.add(at, fmt.Sprintf("%s is not a cause", tree.Quote(cause)), "use one of: "+strings.Join(retryCauses, ", "))
		return
	}
	c.word(at, cause, retryCauses...)
}

func (c *checker) pool(at string, e *ExecutorConfig) {
	if e.Pool != "" {
		c.id(at+"/pool", "the pool", e.Pool)
	}
	if e.Slots < 0 || e.Slots > maxConcurrency {
		c.add(at+"/slots", fmt.Sprintf("must be from 1 to %d, is %d", maxConcurrency, e.Slots), "")
	}
}
