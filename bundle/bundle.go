// Package bundle reads workflow bundles: a folder with manifest.json and
// payloads/. It knows their shape, checks them, digests them, and reviews
// what they ask for. It runs nothing.
package bundle

import (
	"encoding/json"
	"io/fs"
	"os"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Bundle is a checked bundle: if you hold one, it is valid.
type Bundle struct {
	Root     string         // the folder on this host, absolute; empty when it was not read from one
	FS       fs.FS          // the bundle's files; rooted so that no path or symlink leaves it
	Graph    Graph          // the workflow
	Digest   string         // "sha256:…" over relative path, mode and content of every file
	Files    []File         // everything under payloads/, sorted by path
	Warnings fault.Problems // fields without effect here and the like
	Dialect  string         // "bulkhead/v1" or the foreign one that was lowered

	root *os.Root // what FS reads through; nil when it was not read from a folder
}

// Close gives back the open folder behind FS. It may be called twice; after
// it FS reads nothing. A bundle that is dropped without Close is closed when
// its memory is collected.
func (b *Bundle) Close() error {
	if b.root == nil {
		return nil
	}
	return b.root.Close()
}

// File is a file of a bundle.
type File struct {
	Path   string      `json:"path"`   // slash-separated, relative to the bundle
	Mode   fs.FileMode `json:"mode"`   // type and permission bits; a symbolic link leads to a regular file under payloads/
	Size   int64       `json:"size"`   // bytes; of a link: of its target's text
	Digest string      `json:"digest"` // "sha256:…" of the content; of a link: of its target's text
}

// Graph is a workflow: nodes that exchange messages along edges. It is pure
// data, is stored with the job, and never changes while the job lives.
type Graph struct {
	ID            string                             `json:"id"`
	Name          string                             `json:"name"` // of the job; never empty
	Description   string                             `json:"description,omitempty"`
	Dialect       string                             `json:"dialect"`
	Nodes         []Node                             `json:"nodes"`
	Edges         []Edge                             `json:"edges"`
	Entrypoints   []event.NodeID                     `json:"entrypoints"`
	InitialInputs map[event.NodeID][]json.RawMessage `json:"initial_inputs,omitempty"` // an entrypoint without one gets a single {}
	Concurrency   int                                `json:"concurrency"`              // attempts of the job at once; never zero (default 4)
	Policy        policy.Policy                      `json:"policy,omitzero"`          // requested for every node; a node's own replaces it
	Inputs        map[string]Input                   `json:"inputs,omitempty"`         // declared operator inputs (--inputs, --set); ${inputs.NAME}
}

// Input is a value that the operator may set.
type Input struct {
	Description string          `json:"description,omitempty"`
	Default     json.RawMessage `json:"default,omitempty"` // nil: required
}

// NodeKind is what a node does.
type NodeKind string

// The kinds of nodes.
const (
	Router     NodeKind = "router"     // forwards
	Executor   NodeKind = "executor"   // runs a worker
	Aggregator NodeKind = "aggregator" // gathers
	Sensor     NodeKind = "sensor"     // waits for something outside; accepted, not run yet
)

// Node is a station of the workflow. Exactly the part that its Kind names is set.
type Node struct {
	ID            event.NodeID      `json:"id"`
	Kind          NodeKind          `json:"kind"`
	Executor      *ExecutorConfig   `json:"executor,omitempty"`
	Router        *RouterConfig     `json:"router,omitempty"`
	Aggregator    *AggregatorConfig `json:"aggregator,omitempty"`
	Concurrency   int               `json:"concurrency,omitempty"`    // messages at once; 0 and 1: one at a time, with state
	FailurePolicy string            `json:"failure_policy,omitempty"` // fail_job (default) or continue
	Pointer       string            `json:"pointer,omitempty"`        // JSON pointer of the node in the manifest
}

// RouterConfig says how a router forwards.
type RouterConfig struct {
	EmitType string `json:"emit_type,omitempty"` // empty: the type that came in
}

// AggregatorConfig says when an aggregator fires. Without count or type it
// fires once, when the job is otherwise quiet.
type AggregatorConfig struct {
	CompleteAfter     int    `json:"complete_after,omitempty"`      // messages, each id counted once
	CompleteOn        string `json:"complete_on,omitempty"`         // a message of this type closes the batch
	OutputMessageType string `json:"output_message_type,omitempty"` // empty: "aggregated"
	CompleteRun       bool   `json:"complete_run,omitempty"`        // its output is the job's result
}

// ExecutorConfig says how a worker is run.
type ExecutorConfig struct {
	Runner            string            `json:"runner"`  // native (default) or host; later wasm, gvisor, microvm
	Command           []string          `json:"command"` // a string in the manifest becomes {"/bin/sh", "-c", text}
	Uploads           []Upload          `json:"uploads,omitempty"`
	Workdir           string            `json:"workdir,omitempty"` // relative to the work folder; empty: the work folder
	Env               map[string]string `json:"env,omitempty"`
	PassEnv           []string          `json:"pass_env,omitempty"`
	Policy            policy.Policy     `json:"policy,omitzero"`   // requested; granted by the operator only
	Timeout           time.Duration     `json:"timeout,omitempty"` // start to close of one attempt; 0: none
	Retry             Retry             `json:"retry,omitzero"`
	OutputMessageType string            `json:"output_message_type,omitempty"` // of the default message; empty: "executor_result"
	NoDefaultOutput   bool              `json:"no_default_output,omitempty"`   // the manifest says null: emit nothing by default
	Pool              string            `json:"pool,omitempty"`
	Slots             int               `json:"slots,omitempty"` // 0: 1
	Image             string            `json:"image,omitempty"`
	Wrapper           string            `json:"wrapper,omitempty"`  // shape of the default body; "" ours, "mirrorneuron" {agent_id, sandbox, input}
	External          []string          `json:"external,omitempty"` // calls outside that the bundle declares, for the review
}

// Upload copies a payload into the work folder before the worker starts.
type Upload struct {
	Source string `json:"source"` // relative to payloads/
	Target string `json:"target"` // relative to the work folder; empty: the source's base name
}

// Retry says when a failed attempt is tried again.
type Retry struct {
	MaxAttempts int           `json:"max_attempts,omitempty"` // 0 and 1: no retry
	Backoff     time.Duration `json:"backoff,omitempty"`      // before the second try, doubled each time; default 500 ms
	MaxBackoff  time.Duration `json:"max_backoff,omitempty"`  // default 30 s
	Jitter      float64       `json:"jitter,omitempty"`       // 0 to 1: the share of the backoff that is random
	On          []string      `json:"on,omitempty"`           // causes: exit, exit:N, signal, timeout, limit, control, worker, any; empty: the worker's own retryable, timeout and start
}

// Edge carries messages of a type from one node to another.
type Edge struct {
	ID      event.EdgeID `json:"id"` // never empty: from->to:type when the manifest has none
	From    event.NodeID `json:"from"`
	To      event.NodeID `json:"to"`
	Type    string       `json:"type"`              // "*" matches every type
	Accepts string       `json:"accepts,omitempty"` // done (default) or failed: carries messages whose retries are exhausted
	Mode    string       `json:"mode,omitempty"`    // broadcast (default) or first_match
	Pointer string       `json:"pointer,omitempty"` // JSON pointer of the edge in the manifest
}
