package command

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/engine"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/grant"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// want compares and says what differs.
func want[T any](t *testing.T, what string, got, wanted T) {
	t.Helper()
	if d := cmp.Diff(wanted, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// worker is a sandbox whose command is a function.
type worker func(ctx context.Context, req sandbox.Request, stdout, stderr io.Writer) (sandbox.Result, error)

func (f worker) Run(ctx context.Context, req sandbox.Request, streams sandbox.IO) (sandbox.Result, error) {
	r, err := f(ctx, req, streams.Stdout, streams.Stderr)
	r.Report = event.Report{Layer: "fake", Denials: []event.Denial{}}
	return r, err
}

// prints is a worker that prints and exits.
func prints(stdout, stderr string, exit int) worker {
	return func(_ context.Context, _ sandbox.Request, out, errs io.Writer) (sandbox.Result, error) {
		_, _ = io.WriteString(out, stdout)
		_, _ = io.WriteString(errs, stderr)
		return sandbox.Result{ExitCode: exit, Duration: time.Millisecond}, nil
	}
}

// blobs is a store of blobs in memory.
type blobs struct {
	mu  sync.Mutex // guards below
	all map[string][]byte
}

func (b *blobs) PutBlob(_ context.Context, mediaType string, r io.Reader) (event.BlobRef, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return event.BlobRef{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all == nil {
		b.all = map[string][]byte{}
	}
	sum := sha256.Sum256(raw)
	ref := event.BlobRef{Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(raw)), Type: mediaType}
	b.all[ref.Digest] = raw
	return ref, nil
}

func (b *blobs) Blob(_ context.Context, ref event.BlobRef) (io.ReadCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	raw, ok := b.all[ref.Digest]
	if !ok {
		return nil, fault.New(fault.NotFound, "there is no such blob")
	}
	return io.NopCloser(bytes.NewReader(raw)), nil
}

// bench is a runner with a bundle of one node n and a node m beside it.
type bench struct {
	t      *testing.T
	state  string
	folder string
	blobs  *blobs
	runner *Runner
	work   engine.Work
	grants grant.Grants
}

// newBench writes a bundle and loads it. Files are relative to payloads/.
func newBench(t *testing.T, w worker, files map[string]string) *bench {
	t.Helper()
	b := &bench{t: t, state: t.TempDir(), folder: t.TempDir(), blobs: &blobs{}}
	b.write("manifest.json", `{"apiVersion":"bulkhead/v1","id":"b","entrypoints":["n"],"nodes":[
		{"id":"n","type":"executor","config":{"command":["run","{input_file}"]}},
		{"id":"m","type":"executor","config":{"command":["true"]}}],
		"edges":[{"id":"e","from":"n","to":"m","type":"*"}]}`)
	if err := os.MkdirAll(filepath.Join(b.folder, "payloads"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		b.write(filepath.Join("payloads", name), text)
	}
	loaded, err := bundle.Load(b.folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { loaded.Close() })

	b.runner = New(Options{
		State: b.state, Sandbox: w, Blobs: b.blobs, Secrets: &grant.Secrets{},
		Load: func(dir string) (*bundle.Bundle, error) { return bundle.Load(dir) },
	})
	g := loaded.Graph
	b.work = engine.Work{
		Job: "job-1", JobName: "b", Graph: &g, Node: &g.Nodes[0], Folder: b.folder, BundleDigest: loaded.Digest, Invocation: 1,
		Attempt: event.Attempt{Job: "job-1", Node: "n", Message: "m1", Number: 2, Epoch: 7, Started: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)},
		Message: event.Message{ID: "m1", To: "n", Type: "init", Correlation: "c1", Body: event.Body{Inline: json.RawMessage(`{"x":1}`)}},
	}
	return b
}

// write writes a file of the bundle.
func (b *bench) write(name, text string) {
	b.t.Helper()
	path := filepath.Join(b.folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		b.t.Fatal(err)
	}
}

// run runs the attempt.
func (b *bench) run() event.Outcome {
	b.t.Helper()
	raw, err := json.Marshal(b.grants)
	if err != nil {
		b.t.Fatal(err)
	}
	b.work.Grants = raw
	return b.runner.Run(context.Background(), b.work)
}

// read returns a file of the attempt's folder.
func (b *bench) read(name string) string {
	b.t.Helper()
	raw, err := os.ReadFile(filepath.Join(b.state, Folder("job-1", "n", 2, 7), name))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(raw)
}

func TestRun_laysOutTheContract(t *testing.T) {
	var req sandbox.Request
	b := newBench(t, func(_ context.Context, r sandbox.Request, out, _ io.Writer) (sandbox.Result, error) {
		req = r
		_, err := io.WriteString(out, `{"ok":true}`)
		return sandbox.Result{}, err
	}, map[string]string{"lib/a.py": "print()"})
	b.work.Node.Executor.Uploads = []bundle.Upload{{Source: "lib"}, {Source: "lib/a.py", Target: "main.py"}}
	b.work.Node.Executor.Env = map[string]string{"MODE": "fast", "MN_JOB_ID": "forged", "MN_WORKFLOW_STEP_ID": "own"}
	b.work.State = []byte(`{"seen":3}`)
	b.work.Message.Failure = &event.Failure{Node: "x", Cause: "exit"}
	o := b.run()

	want(t, "status", o.Status, event.Succeeded)
	want(t, "output", string(o.Output.Inline), `{"ok":true}`)
	want(t, "args", req.Args, []string{"run", "/work/mirror_neuron_input.json"})
	want(t, "mounts", len(req.Mounts), 1)
	want(t, "mount", req.Mounts[0].Target, "/payloads")
	for name, value := range map[string]string{
		"MN_INPUT_FILE": "/work/mirror_neuron_input.json", "MIRROR_NEURON_CONTEXT_FILE": "/work/mirror_neuron_context.json",
		"MN_JOB_ID": "job-1", "MN_NODE_ID": "n", "MN_ATTEMPT": "2", "MN_IDEMPOTENCY_KEY": "job-1:n:m1", "MODE": "fast",
		"MN_PAYLOADS_DIR": "/payloads", "MN_BUNDLE_ROOT": "/", "MN_WORKDIR": "/work", "MN_BODY_CONTENT_TYPE": "application/json",
		"MN_WORKFLOW_STEP_ID": "own", "MN_WORKFLOW_ATTEMPT_ID": "n:attempt:2",
	} {
		want(t, name, req.Env[name], value)
	}

	want(t, "input", b.read("work/mirror_neuron_input.json"), `{"x":1}`)
	want(t, "body", b.read("work/mirror_neuron_body.bin"), `{"x":1}`)
	want(t, "upload", b.read("work/main.py")+b.read("work/lib/a.py"), "print()print()")
	var message struct {
		Envelope map[string]any
		Headers  map[string]any
		Body     json.RawMessage
	}
	unmarshal(t, b.read("work/mirror_neuron_message.json"), &message)
	want(t, "spec", message.Envelope["spec_version"], any("mn-msg/1"))
	want(t, "from", message.Envelope["from"], any("runtime"))
	want(t, "failure", message.Headers["bulkhead.failure"] != nil, true)
	var about map[string]any
	unmarshal(t, b.read("work/mirror_neuron_context.json"), &about)
	want(t, "state", about["agent_state"], any(map[string]any{"seen": 3.0}))

	want(t, "log", b.read("stdout.log"), `{"ok":true}`)
	var report map[string]any
	unmarshal(t, b.read("report.json"), &report)
	want(t, "report", []any{report["status"], report["epoch"]}, []any{"succeeded", 7.0})
}

// unmarshal reads JSON.
func unmarshal(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

func TestRun_givesBlobsAndBytesToTheWorker(t *testing.T) {
	b := newBench(t, prints("", "", 0), nil)
	ref, _ := b.blobs.PutBlob(context.Background(), "application/octet-stream", strings.NewReader("\x00\x01"))
	b.work.Message.Body = event.Body{Ref: &ref}
	want(t, "status", b.run().Status, event.Succeeded)
	want(t, "body", b.read("work/mirror_neuron_body.bin"), "\x00\x01")
	want(t, "input", b.read("work/mirror_neuron_input.json"), `{"body_base64":"AAE=","content_type":"application/octet-stream"}`)
}

func TestRun_outcomes(t *testing.T) {
	yes := true
	rows := []struct {
		name   string
		worker worker
		want   event.Outcome
	}{
		{"text", prints("hello\n", "", 0), event.Outcome{Status: event.Succeeded, Output: inline(`{"stdout":"hello\n"}`)}},
		{"nothing", prints("", "", 0), event.Outcome{Status: event.Succeeded, Output: inline(`{"stdout":""}`)}},
		{"bytes", prints("\xff\xfe", "", 0), event.Outcome{Status: event.Succeeded, Output: inline(`{"stdout_base64":"//4="}`)}},
		{"object", prints(` {"a":1} `, "", 0), event.Outcome{Status: event.Succeeded, Output: inline(`{"a":1}`)}},
		{
			"last line", prints("loading\n{\"old\":1}\n{\"a\":1}\nbye\n", "", 0),
			event.Outcome{
				Status: event.Succeeded, Output: inline(`{"a":1}`),
				Warnings: []string{"stdout is not one JSON object: its last line that is one counts, 20 bytes around it are in the log only"},
			},
		},
		{"exit", prints(`{"events":[{"type":"x"}]}`, "Traceback\nValueError: no\x1b[31m\n", 3), event.Outcome{Status: event.Failed, Cause: "exit", Reason: "exit status 3: ValueError: no[31m", ExitCode: 3}},
		{
			"exit with a reason", prints(`{"fail":{"reason":"busy","retryable":true}}`, "", 1),
			event.Outcome{Status: event.Failed, Cause: "exit", Reason: "busy", Retryable: &yes, ExitCode: 1},
		},
		{
			"fail", prints(`{"fail":{"reason":"busy","retryable":true},"complete_run":1}`, "", 0),
			event.Outcome{Status: event.Failed, Cause: "worker", Reason: "busy", Retryable: &yes},
		},
		{
			"malformed", prints(`{"events":{}}`, "", 0),
			event.Outcome{Status: event.Failed, Cause: "control", Reason: "malformed control JSON: events: it is not a list"},
		},
		{
			"unknown target", prints(`{"emit_messages":[{"type":"t","to":"zz"}]}`, "", 0),
			event.Outcome{Status: event.Failed, Cause: "control", Reason: `malformed control JSON: emit_messages: 0: to: there is no node "zz"`},
		},
		{"signal", ends(sandbox.Result{ExitCode: -1, Signal: 9}), event.Outcome{Status: event.Failed, Cause: "signal", Reason: "it was ended by SIGKILL", ExitCode: -1, Signal: "SIGKILL"}},
		{"memory", ends(sandbox.Result{ExitCode: -1, Signal: 9, Limit: "memory"}), event.Outcome{Status: event.Failed, Cause: "limit", Reason: "it hit its limit of memory", ExitCode: -1, Signal: "SIGKILL", Limit: "memory"}},
		{"output", ends(sandbox.Result{Truncated: true}), event.Outcome{Status: event.Failed, Cause: "limit", Reason: "it printed more than its limit allows", Limit: "output"}},
		{"timeout", ends(sandbox.Result{TimedOut: true}), event.Outcome{Status: event.Failed, Cause: "timeout", Reason: "it took longer than 1m0s", TimedOut: true}},
		{"no start", fails(fault.New(fault.Unsupported, "no seccomp").WithHint("newer kernel")), event.Outcome{Status: event.Failed, Cause: "start", Reason: "no seccomp; newer kernel"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t, row.worker, nil)
			b.work.Node.Executor.Timeout = time.Minute
			got := b.run()
			if got.Report == nil {
				t.Error("there is no report")
			}
			got.Report, got.Took = nil, 0
			want(t, "outcome", got, row.want)
		})
	}
}

// inline is a body by value.
func inline(raw string) event.Body { return event.Body{Inline: json.RawMessage(raw)} }

// ends is a worker that ends in a certain way.
func ends(r sandbox.Result) worker {
	return func(context.Context, sandbox.Request, io.Writer, io.Writer) (sandbox.Result, error) { return r, nil }
}

// fails is a sandbox that cannot start.
func fails(err error) worker {
	return func(context.Context, sandbox.Request, io.Writer, io.Writer) (sandbox.Result, error) {
		return sandbox.Result{}, err
	}
}

func TestRun_takesWhatTheWorkerSays(t *testing.T) {
	b := newBench(t, prints(`{"events":[{"type":"tick","payload":{"n":1}}],"next_state":{"s":1},"complete_run":true,"complete_step":true,
		"emit_messages":[{"type":"a","body":[1]},{"type":"b","to":"m","body_base64":"AAE=","content_type":"image/x","correlation_id":"k"}],"left":"over"}`, "", 0), nil)
	o := b.run()
	if o.Status != event.Succeeded {
		t.Fatalf("outcome %+v", o)
	}
	want(t, "events", o.Events, []event.WorkerEvent{{Type: "tick", Payload: json.RawMessage(`{"n":1}`)}})
	want(t, "state", string(o.NextState), `{"s":1}`)
	want(t, "output", string(o.Output.Inline), `{"left":"over"}`)
	want(t, "run", string(o.CompleteRun.Inline), `{"left":"over"}`)
	want(t, "first", o.Emit[0], event.Emit{Type: "a", Body: inline(`[1]`)})
	want(t, "second", []string{string(o.Emit[1].To), o.Emit[1].Correlation, o.Emit[1].Body.Ref.Type}, []string{"m", "k", "image/x"})
	want(t, "blob", string(b.blobs.all[o.Emit[1].Body.Ref.Digest]), "\x00\x01")
}

func TestRun_wrapsForForeignBundles(t *testing.T) {
	b := newBench(t, prints("hi", "note", 0), nil)
	b.work.Graph.Dialect, b.work.Node.Executor.Wrapper = "mn", "mirrorneuron"
	want(t, "text", string(b.run().Output.Inline),
		`{"agent_id":"n","sandbox":{"attempts":2,"exit_code":0,"stderr":"note","stdout":"hi"},"input":{"x":1}}`)
	b.runner.opt.Sandbox = prints(`{"status":"ok","outputs":{"a":1},"metrics":{},"artifacts":[]}`, "", 0)
	want(t, "step result", string(b.run().Output.Inline),
		`{"agent_id":"n","outputs":{"a":1},"artifacts":[],"metrics":{},"status":"ok"}`)
}

func TestRun_cancelledAndStopped(t *testing.T) {
	for why, status := range map[error]event.Status{engine.ErrCancelled: event.Cancelled, engine.ErrStopping: event.Released} {
		ctx, cancel := context.WithCancelCause(context.Background())
		b := newBench(t, func(context.Context, sandbox.Request, io.Writer, io.Writer) (sandbox.Result, error) {
			cancel(why)
			return sandbox.Result{Cancelled: true}, nil
		}, nil)
		want(t, why.Error(), b.runner.Run(ctx, b.work).Status, status)
		want(t, "before the start", b.runner.Run(ctx, b.work).Status, status)
	}
}

func TestRun_refusesWhatWasNotGranted(t *testing.T) {
	ran := false
	b := newBench(t, func(context.Context, sandbox.Request, io.Writer, io.Writer) (sandbox.Result, error) {
		ran = true
		return sandbox.Result{}, nil
	}, nil)
	b.work.Node.Executor.Policy = policy.Policy{}.With(policy.ReadOnly("/data"))
	o := b.run()
	want(t, "cause", o.Cause, "start")
	if ran || !strings.Contains(o.Reason, "--read /data") {
		t.Errorf("ran = %t, reason %q", ran, o.Reason)
	}
	b.grants.Read = []string{"/data"}
	want(t, "granted", b.run().Status, event.Succeeded)
}

func TestRun_passesVariablesByValue(t *testing.T) {
	t.Setenv("OTHER", "of this process")
	var req sandbox.Request
	b := newBench(t, func(_ context.Context, r sandbox.Request, _, _ io.Writer) (sandbox.Result, error) {
		req = r
		return sandbox.Result{}, nil
	}, nil)
	b.work.Node.Executor.PassEnv = []string{"TOKEN", "OTHER"}
	b.grants.PassEnv = []string{"TOKEN", "OTHER"}
	b.runner.opt.Secrets.Keep("job-1", map[string]string{"TOKEN": "t"})
	o := b.run()
	want(t, "token", req.Env["TOKEN"], "t")
	_, other := req.Env["OTHER"]
	want(t, "other", other, false)
	want(t, "names left to the layer", len(req.Policy.Env.Pass), 0)
	want(t, "warnings", o.Warnings, []string{"the granted variable OTHER is not set"})
}

func TestStage_keepsWhatWasSubmitted(t *testing.T) {
	b := newBench(t, prints("", "", 0), map[string]string{"a": "one"})
	b.work.Node.Executor.Uploads = []bundle.Upload{{Source: "a"}}
	want(t, "status", b.run().Status, event.Succeeded)
	b.write("payloads/a", "two")
	want(t, "status", b.run().Status, event.Succeeded)
	want(t, "upload", b.read("work/a"), "one")

	other := newBench(t, prints("", "", 0), map[string]string{"a": "one"})
	other.write("payloads/a", "two")
	o := other.run()
	want(t, "cause", o.Cause, "start")
	if !strings.Contains(o.Reason, "has changed") {
		t.Errorf("reason %q", o.Reason)
	}
}

func TestUploads(t *testing.T) {
	rows := []struct {
		name   string
		upload bundle.Upload
		file   string // what must be there; empty: refused
	}{
		{"by name", bundle.Upload{Source: "d/x"}, "x"},
		{"folder", bundle.Upload{Source: "d"}, "d/x"},
		{"everything", bundle.Upload{Source: "."}, "d/x"},
		{"into a folder", bundle.Upload{Source: "d/x", Target: "deep/y"}, "deep/y"},
		{"through a link", bundle.Upload{Source: "link"}, "link"},
		{"up and out", bundle.Upload{Source: "../manifest.json"}, ""},
		{"target out", bundle.Upload{Source: "d/x", Target: "../x"}, ""},
		{"absolute", bundle.Upload{Source: "/etc/passwd"}, ""},
		{"missing", bundle.Upload{Source: "none"}, ""},
		{"contract file", bundle.Upload{Source: "d/x", Target: "./mirror_neuron_input.json"}, ""},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t, prints("", "", 0), map[string]string{"d/x": "text"})
			if err := os.Symlink("d/x", filepath.Join(b.folder, "payloads", "link")); err != nil {
				t.Fatal(err)
			}
			loaded, err := bundle.Load(b.folder)
			if err != nil {
				t.Fatal(err)
			}
			defer loaded.Close()
			b.work.BundleDigest = loaded.Digest
			b.work.Node.Executor.Uploads = []bundle.Upload{row.upload}
			o := b.run()
			if row.file == "" {
				want(t, "cause", o.Cause, "start")
				return
			}
			if o.Status != event.Succeeded {
				t.Fatalf("outcome %+v", o)
			}
			want(t, "file", b.read("work/"+row.file), "text")
		})
	}
}

func TestUploads_dropSpecialBits(t *testing.T) {
	b := newBench(t, prints("", "", 0), map[string]string{"x": "text"})
	if err := os.Chmod(filepath.Join(b.folder, "payloads", "x"), 0o4755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	loaded, err := bundle.Load(b.folder)
	if err != nil {
		t.Fatal(err)
	}
	defer loaded.Close()
	b.work.BundleDigest = loaded.Digest
	b.work.Node.Executor.Uploads = []bundle.Upload{{Source: "x"}}
	want(t, "status", b.run().Status, event.Succeeded)
	info, err := os.Stat(filepath.Join(b.state, Folder("job-1", "n", 2, 7), "work/x"))
	if err != nil {
		t.Fatal(err)
	}
	want(t, "mode", info.Mode(), os.FileMode(0o755))
}

func TestFolder_isHarmless(t *testing.T) {
	for node, part := range map[event.NodeID]string{"a.b-c_1": "a.b-c_1", "..": "%2E.", "a/b": "a%2Fb", ".x": "%2Ex", "ü": "%C3%BC"} {
		want(t, string(node), Folder("j", node, 1, 2), "jobs/j/"+part+"/1-2")
	}
}

func TestLogs_survivesAFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	l := &logs{stdout: &log{file: full}, stderr: &log{file: full, keep: 4}}
	if _, err := l.stdout.Write([]byte("kept")); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := l.stderr.Write([]byte("0123456789")); err != nil {
			t.Fatal(err)
		}
	}
	want(t, "stdout", l.stdout.kept.String(), "kept")
	want(t, "stderr", l.stderr.kept.String(), "6789")
	if l.close() == nil {
		t.Error("close hides the full disk")
	}
}

func TestArgs_putValuesInOnce(t *testing.T) {
	b := newBench(t, prints("", "", 0), nil)
	b.work.Job = "{agent_id}"
	b.work.Node.Executor.Command = []string{"x", "{{job_id}} {job_id} {agent_id}{workdir} {other}", "${inputs.x}"}
	a := &attempt{w: b.work, place: inside}
	want(t, "args", a.args(), []string{"x", "{agent_id} {agent_id} n/work {other}", "${inputs.x}"})
}

func TestArgs_anyPythonForForeignBundles(t *testing.T) {
	rows := []struct {
		dialect string
		command []string
		want    []string
	}{
		{"mn", []string{"python3.99", "a.py"}, []string{"python3", "a.py"}},
		{"mn", []string{"/bin/sh", "-c", "python3.99 a.py && x"}, []string{"/bin/sh", "-c", "python3 a.py && x"}},
		{"mn", []string{"python3.99x"}, []string{"python3.99x"}},
		{bundle.Native, []string{"python3.99"}, []string{"python3.99"}},
	}
	for _, row := range rows {
		g := &bundle.Graph{Dialect: row.dialect}
		a := &attempt{w: engine.Work{Graph: g, Node: &bundle.Node{Executor: &bundle.ExecutorConfig{Command: row.command}}}}
		want(t, strings.Join(row.command, " "), a.args(), row.want)
	}
}

// errAny is an error of no kind.
var errAny = errors.New("any")

func TestRefused_namesTheCause(t *testing.T) {
	o := refused(context.Background(), errAny, &attempt{})
	want(t, "outcome", []string{string(o.Status), o.Cause, o.Reason, o.Report.Layer}, []string{"failed", "start", "any", "native"})
}
