// Package policy says what a sandbox may touch: files, network, environment,
// limits and system calls. A policy is data, never code.
//
// The zero Policy may do nothing beyond running the system's own programs:
// no file of the user, no network, no host environment.
package policy

import "time"

// Policy is what a sandbox may touch. Every field's zero value is the
// narrowest: nothing granted, default limits.
//
// Text from outside comes in through Parse, ParseAt or UnmarshalYAML, which are
// strict. encoding/json is for policies that Bulkhead itself has stored: it
// restores them exactly, but does not refuse every unknown key.
type Policy struct {
	Layer        Layer      `json:"layer,omitempty"` // empty: native
	Filesystem   Filesystem `json:"filesystem,omitzero"`
	Network      Network    `json:"network,omitzero"`
	Env          Env        `json:"env,omitzero"`
	Limits       Limits     `json:"limits,omitzero"`
	Syscalls     Profile    `json:"syscalls,omitempty"`      // empty: default
	TraceDenials bool       `json:"trace_denials,omitempty"` // watch refused file and process operations and report them; slower
	BestEffort   bool       `json:"best_effort,omitempty"`   // start even if something asked for cannot be enforced; the report says what
}

// Layer is how strong the wall is.
type Layer string

// The layers. Host is no wall at all and must be asked for by name.
const (
	Host    Layer = "host"
	Native  Layer = "native"
	Wasm    Layer = "wasm"
	GVisor  Layer = "gvisor"
	MicroVM Layer = "microvm"
)

// Filesystem grants paths: absolute, ~ or ~/…, $WORKSPACE or $WORKSPACE/….
// A grant of a folder covers everything beneath it. Reading includes running.
type Filesystem struct {
	Read    []string `json:"read,omitempty"`
	Write   []string `json:"write,omitempty"`   // implies reading
	Protect []string `json:"protect,omitempty"` // kept as they are inside Write, beyond the default set: see Guard. Names without a leading / hold at any depth
}

// Network is what may be reached. The zero Network is none.
type Network struct {
	Allow []string `json:"allow,omitempty"` // shape only: not supported yet
}

// Env is the environment beyond the sandbox's own HOME, PATH, TMPDIR, LANG, TZ.
type Env struct {
	Set  map[string]string `json:"set,omitempty"`
	Pass []string          `json:"pass,omitempty"` // names taken from the caller's environment
}

// Limits bounds what a sandbox may use. Zero means the default; a limit that
// is written is mandatory: a host that cannot enforce it refuses the start.
type Limits struct {
	Memory    Bytes         `json:"memory,omitempty"`     // of all processes together; default 2 GiB
	CPUs      float64       `json:"cpus,omitempty"`       // CPU seconds per second; default: no limit
	PIDs      int           `json:"pids,omitempty"`       // processes and threads; default 512
	OpenFiles int           `json:"open_files,omitempty"` // per process; default 1024
	FileSize  Bytes         `json:"file_size,omitempty"`  // of one file; default 4 GiB
	Output    Bytes         `json:"output,omitempty"`     // of stdout and stderr each; default 16 MiB
	WallTime  time.Duration `json:"wall_time,omitempty"`  // default: none
	Scratch   Bytes         `json:"scratch,omitempty"`    // of /tmp, /dev/shm and HOME each; default 512 MiB
}

// Bytes is a size in bytes. In text: a number with an optional unit K, M, G, T
// (powers of 1024; Ki, KiB, KB mean the same).
type Bytes int64

// Profile is which system calls a sandbox may make.
type Profile string

// The profiles: Strict has about forty calls and no sockets; Default has what
// compilers, interpreters and version control need.
const (
	Strict  Profile = "strict"
	Default Profile = "default"
)
