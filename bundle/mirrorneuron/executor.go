package mirrorneuron

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/bundle/internal/tree"
)

// runners are the runner modules, by what becomes of their name here.
var runners = map[string]string{
	"MirrorNeuron.Runner.HostLocal":    "HostLocal",
	"MirrorNeuron.Runner.OpenShell":    "OpenShell",
	"MirrorNeuron.Sandbox.OpenShell":   "OpenShell",
	"MirrorNeuron.Runner.DockerWorker": "DockerWorker",
}

// openShell is the runner of executors that name none.
const openShell = "OpenShell"

// wrapper is the shape of the default body of this project's workers.
const wrapper = "mirrorneuron"

func (l *lowering) executor(c *tree.Node, template string) *bundle.ExecutorConfig {
	e := &bundle.ExecutorConfig{Runner: bundle.RunnerNative, Wrapper: wrapper}
	runner := l.runner(c)
	l.command(c.Get("command"), runner, e)
	l.uploads(c, e)
	l.environment(given(c.Get("environment")), template, e)
	l.passEnv(given(c.Get("pass_env")), e)
	l.timing(c, e)
	l.String(given(c.Get("pool")), &e.Pool)
	l.Int(given(c.Get("pool_slots")), 1, 1000, &e.Slots)

	out := c.Get("output_message_type")
	if e.NoDefaultOutput = out != nil && out.Kind == tree.Null; !e.NoDefaultOutput {
		l.String(out, &e.OutputMessageType)
	}
	e.Workdir = l.inWorkFolder(given(c.Get("workdir")), virtualRoot(c))
	return e
}

// runner reads which runner the manifest means. All of them become native.
func (l *lowering) runner(c *tree.Node) string {
	v := given(c.Get("runner_module"))
	if v == nil {
		l.notes.add(c, "runner default", "the default runner (OpenShell) becomes the native sandbox")
		return openShell
	}
	if !l.Is(v, tree.String) {
		return ""
	}
	name, ok := runners[v.Text]
	if !ok {
		l.Add(v, fmt.Sprintf("runner_module %s is not known", tree.Quote(v.Text)), tree.Hint(v.Text, runners))
		return ""
	}
	l.notes.add(v, "runner "+name, fmt.Sprintf("runner %s becomes the native sandbox: no host files, no network, no host environment beyond what is granted", name))
	return name
}

// command reads a command. A string is shell text.
func (l *lowering) command(n *tree.Node, runner string, e *bundle.ExecutorConfig) {
	switch n = given(n); {
	case n == nil:
	case n.Kind == tree.String && n.Text != "":
		e.Command = bundle.ShellCommand(n.Text)
	case n.Kind == tree.Array:
		l.Strings(n, &e.Command)
	default:
		l.Add(n, fmt.Sprintf("command must be a string or an array of strings, is %s", n.Kind), "")
	}
	if runner == openShell {
		for i := range e.Command {
			e.Command[i] = doubleBraces.Replace(e.Command[i])
		}
	}
}

// placeholders are what the runner puts into commands, in single braces.
var placeholders = []string{"input_file", "context_file", "message_file", "body_file", "workdir", "job_id", "agent_id"}

// doubleBraces turns the placeholders of OpenShell into those of the others.
var doubleBraces = func() *strings.Replacer {
	var pairs []string
	for _, p := range placeholders {
		pairs = append(pairs, "{{"+p+"}}", "{"+p+"}")
	}
	return strings.NewReplacer(pairs...)
}()

func (l *lowering) uploads(c *tree.Node, e *bundle.ExecutorConfig) {
	list, one := given(c.Get("upload_paths")), given(c.Get("upload_path"))
	root := virtualRoot(c)
	if list != nil {
		if one != nil {
			l.notes.add(one, "upload_path", "upload_path has no effect beside upload_paths")
		}
		l.Each(list, func(_ int, item *tree.Node) {
			if l.Is(item, tree.Object) {
				e.Uploads = append(e.Uploads, l.upload(item.Get("source"), item.Get("target"), root))
			}
		})
		return
	}
	if one != nil {
		e.Uploads = []bundle.Upload{l.upload(one, c.Get("upload_as"), root)}
	}
}

func (l *lowering) upload(source, target *tree.Node, root string) bundle.Upload {
	var u bundle.Upload
	l.String(given(source), &u.Source)
	u.Target = l.inWorkFolder(given(target), root)
	return u
}

// virtualRoot is the path under which workers know their work folder.
func virtualRoot(c *tree.Node) string {
	if v := given(c.Get("sandbox_upload_path")); v != nil && strings.HasPrefix(v.Text, "/") {
		return path.Clean(v.Text)
	}
	return "/sandbox/job"
}

// inWorkFolder turns a path below the virtual root, or below the one of
// containers, into one relative to the work folder. Others stay as they are,
// and the check of the graph refuses them.
func (l *lowering) inWorkFolder(n *tree.Node, root string) string {
	var dir string
	l.String(n, &dir)
	if !strings.HasPrefix(dir, "/") {
		return dir
	}
	dir = path.Clean(dir)
	for _, r := range []string{root, "/mn/job"} {
		if dir == r {
			return ""
		}
		if sub, ok := strings.CutPrefix(dir, r+"/"); ok {
			return sub
		}
	}
	return dir
}

// environment reads the variables of a worker. The template type goes to it
// as one more.
func (l *lowering) environment(n *tree.Node, template string, e *bundle.ExecutorConfig) {
	e.Env = map[string]string{"MN_AGENT_TEMPLATE": template}
	if !l.Is(n, tree.Object) {
		return
	}
	for _, m := range n.Members {
		switch m.Value.Kind {
		case tree.String, tree.Number, tree.Bool:
			e.Env[m.Key] = m.Value.Text
		case tree.Null:
			delete(e.Env, m.Key)
		default:
			l.Add(m.Value, fmt.Sprintf("must be a string, is %s", m.Value.Kind), "")
		}
	}
}

// passEnv reads the names that are taken from the host. They win over the
// values in the manifest.
func (l *lowering) passEnv(n *tree.Node, e *bundle.ExecutorConfig) {
	l.Strings(n, &e.PassEnv)
	for i, name := range e.PassEnv {
		if _, set := e.Env[name]; set {
			delete(e.Env, name)
			l.notes.add(n.Items[i], "environment "+name, fmt.Sprintf("%s in environment has no effect beside pass_env", tree.Quote(name)))
		}
	}
}

// retried are the causes for which a worker with max_attempts is run again.
// The project decides by words in the output; we do not read output for that.
var retried = []string{"exit", "signal", "timeout"}

func (l *lowering) timing(c *tree.Node, e *bundle.ExecutorConfig) {
	e.Timeout = l.number(given(c.Get("timeout_seconds")), time.Second)
	attempts := given(c.Get("max_attempts"))
	l.Int(attempts, 1, 100, &e.Retry.MaxAttempts)
	if e.Retry.MaxAttempts < 2 {
		return
	}
	e.Retry.On = slices.Clone(retried)
	e.Retry.Backoff = 500 * time.Millisecond
	if backoff := given(c.Get("retry_backoff_ms")); backoff != nil {
		e.Retry.Backoff = l.number(backoff, time.Millisecond)
	}
	e.Retry.MaxBackoff = max(e.Retry.Backoff, defaultMaxBackoff)
	l.notes.add(attempts, "max_attempts", "max_attempts retries after any exit code, signal or timeout, not only after errors that look transient")
}

// defaultMaxBackoff is the longest pause between two attempts.
const defaultMaxBackoff = 30 * time.Second

// number reads a duration that is given as a number of units.
func (l *lowering) number(n *tree.Node, unit time.Duration) time.Duration {
	const tenYears = 10 * 365 * 24 * time.Hour
	var v float64
	l.Float(n, 0, float64(tenYears/unit), &v)
	return time.Duration(v * float64(unit))
}
