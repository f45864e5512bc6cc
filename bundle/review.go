package bundle

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bulkhead-dev/bulkhead/policy"
)

// Verdict says how a line of a review reads to a careful person.
type Verdict string

// The verdicts, from harmless to harmful.
const (
	OK     Verdict = "ok"     // nothing to see
	Look   Verdict = "look"   // a person should look at it
	Danger Verdict = "danger" // do not run this without knowing why it is there
)

// Line is one thing that a bundle asks for or contains, and what to think of it.
type Line struct {
	Subject string  `json:"subject"`       // "node ID", "file PATH", "bundle"
	Topic   string  `json:"topic"`         // runner, command, read, secret, …
	Value   string  `json:"value"`         // as the bundle says it: shortened, without control characters
	Verdict Verdict `json:"verdict"`       // ok, look or danger
	Why     string  `json:"why,omitempty"` // the reason of a verdict that is not ok
}

// Review says what a person should check before running a bundle: what each
// node asks for, and what is strange about the files. It reads the payloads
// and runs nothing. Secrets that it finds are named, never repeated.
func Review(b *Bundle) []Line {
	r := reviewer{bundle: b}
	r.head()
	for i := range b.Graph.Nodes {
		r.node(&b.Graph.Nodes[i])
	}
	r.files()
	return r.lines
}

// Worst is the gravest verdict of a review; OK when there are no lines.
func Worst(lines []Line) Verdict {
	worst := OK
	for _, l := range lines {
		if l.Verdict == Danger || worst == OK {
			worst = l.Verdict
		}
		if worst == Danger {
			break
		}
	}
	return worst
}

// reviewer writes the lines of one review.
type reviewer struct {
	bundle  *Bundle
	subject string
	lines   []Line
}

// say adds a line about the present subject.
func (r *reviewer) say(topic, value string, f finding) {
	r.lines = append(r.lines, Line{r.subject, topic, shown(redact(value)), f.verdict, f.why})
}

// finding is a verdict and its reason. The zero finding is not valid: fine is.
type finding struct {
	verdict Verdict
	why     string
}

var fine = finding{OK, ""}

func look(why string) finding   { return finding{Look, why} }
func danger(why string) finding { return finding{Danger, why} }

// shown is a hostile text as a review shows it: on one line, not too long.
func shown(s string) string {
	const most = 300
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	if q := strconv.Quote(s); q != `"`+s+`"` && strings.ContainsFunc(s, func(c rune) bool { return !strconv.IsPrint(c) }) {
		return q
	}
	return s
}

// head reviews what concerns the bundle as a whole.
func (r *reviewer) head() {
	r.subject = "bundle"
	g := &r.bundle.Graph
	r.say("digest", r.bundle.Digest, fine)
	for _, name := range slices.Sorted(maps.Keys(g.Inputs)) {
		in := g.Inputs[name]
		if in.Default == nil {
			r.say("input", name+" (required)", fine)
			continue
		}
		r.say("input", name+" = "+string(in.Default), fine)
	}
	for _, w := range r.bundle.Warnings {
		r.say("manifest", strings.TrimSpace(w.Pointer+" "+w.Reason), look("the manifest says more than is done"))
	}
}

func (r *reviewer) node(n *Node) {
	r.subject = "node " + shown(string(n.ID))
	if n.Executor == nil {
		r.say("type", string(n.Kind), fine)
		return
	}
	e, p := n.Executor, r.bundle.Graph.PolicyOf(n)
	r.runner(e, p)
	r.say("command", commandLine(e.Command), judgeCommand(e.Command))
	for _, u := range e.Uploads {
		r.say("upload", fmt.Sprintf("payloads/%s -> %s", u.Source, u.TargetPath()), fine)
	}
	r.environment(e.Env, e.PassEnv)
	r.environment(p.Env.Set, p.Env.Pass)
	r.policy(p)
	r.say("service", "no", fine)
	r.external(e)
	r.timeout(e.Timeout, p.Limits.WallTime)
	r.retry(e.Retry)
}

func (r *reviewer) runner(e *ExecutorConfig, p policy.Policy) {
	const noWall = "runs on the host without any wall"
	layer := p.Layer
	if layer == "" {
		layer = policy.Native
	}
	value := e.Runner + ", layer " + string(layer)
	switch {
	case e.Runner == RunnerHost, layer == policy.Host:
		r.say("runner", value, danger(noWall))
	default:
		r.say("runner", value, fine)
	}
	if e.Image != "" {
		r.say("image", e.Image, look("somebody else's files are the root folder"))
	}
}

// commandLine is a command as a person would type it, roughly.
func commandLine(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = arg
		if arg == "" || strings.ContainsAny(arg, " \t\n\"'\\$;|&<>()*?") {
			quoted[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

func (r *reviewer) environment(set map[string]string, pass []string) {
	for _, name := range slices.Sorted(maps.Keys(set)) {
		value := set[name]
		f := judgeSet(name, value)
		if f.verdict != OK {
			value = fmt.Sprintf("(%d bytes)", len(value))
		}
		r.say("env", name+"="+value, f)
	}
	for _, name := range pass {
		r.say("pass_env", name, judgePass(name))
	}
}

func (r *reviewer) policy(p policy.Policy) {
	for _, path := range p.Filesystem.Read {
		r.say("read", path, r.judgeRead(path))
	}
	for _, path := range p.Filesystem.Write {
		r.say("write", path, judgeWrite(path))
	}
	if len(p.Network.Allow) == 0 {
		r.say("network", "none", fine)
	}
	for _, host := range p.Network.Allow {
		r.say("network", host, judgeHost(host))
	}
	if p.BestEffort {
		r.say("policy", "best_effort", look("starts even if a wall cannot be put up"))
	}
	if limits := limitsText(p.Limits); limits != "" {
		r.say("limits", limits, fine)
	}
}

// judgeRead judges a path of which the operator's value may be a part: then
// by the default, which is what runs when nobody thinks about it.
func (r *reviewer) judgeRead(path string) finding {
	if !placeholder.MatchString(path) {
		return judgeRead(path)
	}
	x := expander{graph: &r.bundle.Graph, texts: map[string]string{}}
	x.choose(nil)
	for _, m := range placeholder.FindAllStringSubmatch(path, -1) {
		if _, ok := x.texts[m[1]]; !ok {
			return look("the operator's value decides")
		}
	}
	byDefault := x.expand(path)
	if f := judgeRead(byDefault); f.verdict == Danger {
		return danger("by default " + shown(byDefault) + ": " + f.why)
	}
	return look("the operator's value decides; by default " + shown(byDefault))
}

// limitsText lists the limits that a policy writes.
func limitsText(l policy.Limits) string {
	var parts []string
	add := func(given bool, name string, value any) {
		if given {
			parts = append(parts, fmt.Sprintf("%s %v", name, value))
		}
	}
	add(l.Memory != 0, "memory", l.Memory)
	add(l.CPUs != 0, "cpus", l.CPUs)
	add(l.PIDs != 0, "pids", l.PIDs)
	add(l.OpenFiles != 0, "open_files", l.OpenFiles)
	add(l.FileSize != 0, "file_size", l.FileSize)
	add(l.Output != 0, "output", l.Output)
	add(l.WallTime != 0, "wall_time", l.WallTime)
	add(l.Scratch != 0, "scratch", l.Scratch)
	return strings.Join(parts, ", ")
}

func (r *reviewer) external(e *ExecutorConfig) {
	if len(e.External) == 0 {
		r.say("external", "none declared", fine)
	}
	for _, call := range e.External {
		r.say("external", call, look("the worker says that it calls this"))
	}
}

func (r *reviewer) timeout(d, wall time.Duration) {
	switch {
	case d != 0:
		r.say("timeout", d.String(), fine)
	case wall != 0:
		r.say("timeout", wall.String()+" by wall_time", fine)
	default:
		r.say("timeout", "none", look("a worker that hangs is ended only by the operator"))
	}
}

func (r *reviewer) retry(retry Retry) {
	if retry.MaxAttempts < 2 {
		r.say("retry", "none", fine)
		return
	}
	on := "what the worker calls retryable, timeout, start"
	if len(retry.On) > 0 {
		on = strings.Join(retry.On, ", ")
	}
	f := fine
	if retry.MaxAttempts > 10 {
		f = look("side effects of a failed attempt happen again each time")
	}
	r.say("retry", fmt.Sprintf("%d attempts on %s", retry.MaxAttempts, on), f)
}
