package event

// Report is what was really enforced around one command, step by step, and
// the refusals seen. It is written by Bulkhead alone, from what the kernel
// answered and counted; nothing that a worker prints can change it.
type Report struct {
	Layer    string   `json:"layer"`
	Launcher string   `json:"launcher,omitempty"` // how the process was started: program, reexec
	Steps    []Step   `json:"steps"`
	Denials  []Denial `json:"denials"`
	Missing  []string `json:"missing,omitempty"` // asked for and not enforced (best effort, or a default limit), in words
}

// Step is one wall of the sandbox.
type Step struct {
	Name   string `json:"name"`   // e.g. "mount namespace", "seccomp", "cgroup memory"
	Status string `json:"status"` // enforced, unenforced, skipped
	Detail string `json:"detail,omitempty"`
}

// The values of Step.Status.
const (
	Enforced   = "enforced"
	Unenforced = "unenforced"
	Skipped    = "skipped"
)

// Denial is one refusal: what was tried, on what, which step refused it,
// which grant would have allowed it, and how we know.
type Denial struct {
	Operation string `json:"operation"`       // open, connect, fork, ptrace, …
	Object    string `json:"object"`          // path, address, process, limit
	Step      string `json:"step"`            // the Step.Name that refused
	Grant     string `json:"grant,omitempty"` // the flag or policy line that would allow it; empty: nothing does
	Source    string `json:"source"`          // trace, kernel counter, exit status, plan
	Count     int    `json:"count"`           // how many times, at least 1
}
