package command

import (
	"fmt"
	"maps"
	"path"
	"strconv"
)

// variable is one row of the environment of the contract.
type variable struct {
	name  string // without its prefix MN_
	alias bool   // also as MIRROR_NEURON_…
	soft  bool   // the node's own value wins
	value func(a *attempt) string
}

// variables is what a worker is told, in docs/worker-contract.md too.
var variables = []variable{
	{"INPUT_FILE", true, false, file(inputFile)},
	{"MESSAGE_FILE", true, false, file(messageFile)},
	{"CONTEXT_FILE", true, false, file(contextFile)},
	{"BODY_FILE", true, false, file(bodyFile)},
	{"BODY_CONTENT_TYPE", true, false, func(a *attempt) string { return a.body.typ }},
	{"BODY_CONTENT_ENCODING", true, false, text("identity")},
	{"JOB_ID", true, false, func(a *attempt) string { return string(a.w.Job) }},
	{"AGENT_ID", true, false, func(a *attempt) string { return string(a.w.Node.ID) }},
	{"NODE_ID", false, false, func(a *attempt) string { return string(a.w.Node.ID) }},
	{"AGENT_TYPE", true, false, func(a *attempt) string { return string(a.w.Node.Kind) }},
	{"AGENT_TEMPLATE", true, true, text("generic")},
	{"WORKDIR", true, false, (*attempt).workdir},
	{"PAYLOADS_DIR", false, false, func(a *attempt) string { return a.place.payloads }},
	{"BUNDLE_ROOT", false, false, func(a *attempt) string { return a.place.bundle }},
	{"ATTEMPT", false, false, number},
	{"IDEMPOTENCY_KEY", false, false, (*attempt).idempotencyKey},
	{"RUN_ID", false, true, func(a *attempt) string { return string(a.w.Job) }},
	{"WORKFLOW_RUN_ID", false, true, func(a *attempt) string { return string(a.w.Job) }},
	{"WORKFLOW_STEP_ID", false, true, func(a *attempt) string { return string(a.w.Node.ID) }},
	{"WORKFLOW_ATTEMPT_ID", false, false, (*attempt).attemptID},
	{"WORKFLOW_ATTEMPT", false, false, number},
	{"WORKFLOW_IDEMPOTENCY_KEY", false, false, (*attempt).idempotencyKey},
}

// file is the path of a contract file as the worker sees it.
func file(name string) func(*attempt) string {
	return func(a *attempt) string { return path.Join(a.place.work, name) }
}

// text is a value that is always the same.
func text(s string) func(*attempt) string {
	return func(*attempt) string { return s }
}

// number is the attempt's number.
func number(a *attempt) string { return strconv.Itoa(a.w.Attempt.Number) }

// environment is what the worker finds in its environment, besides what every
// sandbox has: the node's own variables, the passed ones, and above them the
// contract's.
func (a *attempt) environment() map[string]string {
	env := maps.Clone(a.policy.Env.Set)
	if env == nil {
		env = map[string]string{}
	}
	maps.Copy(env, a.w.Node.Executor.Env)
	for _, name := range a.policy.Env.Pass {
		v, ok := a.r.opt.Secrets.Value(a.w.Job, name)
		if !ok {
			a.notes = append(a.notes, fmt.Sprintf("the granted variable %s is not set", name))
			continue
		}
		env[name] = v
	}
	for _, v := range variables {
		a.define(env, v)
	}
	return env
}

// define sets one variable of the contract.
func (a *attempt) define(env map[string]string, v variable) {
	name := "MN_" + v.name
	if _, own := env[name]; !own || !v.soft {
		env[name] = v.value(a)
	}
	if v.alias {
		env["MIRROR_NEURON_"+v.name] = env[name]
	}
}
