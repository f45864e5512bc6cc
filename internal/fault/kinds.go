package fault

// Kind says what sort of thing went wrong.
type Kind int

// The kinds. Each has one row in the table below.
const (
	OK          Kind = iota
	Failed           // the job or the check failed: an answer, not a malfunction
	Invalid          // the input or the usage is wrong
	Danger           // a review found something dangerous
	Cancelled        // somebody cancelled it
	Interrupted      // a signal stopped the program
	NotFound         // the thing named does not exist
	Exists           // the thing is there already, with other content
	Conflict         // somebody else changed it first; reload and decide again
	Denied           // the policy or the operator's grants refuse it
	Unsupported      // this version or this host cannot do it
	Unavailable      // something needed is not reachable or held by another
	Exhausted        // a resource is used up: disk, quota, slots
	Corrupt          // stored bytes are not what was written
	Internal         // a defect of ours
)

// Row is how each face of the program reports a kind.
type Row struct {
	Name string // stable, for --json and logs
	Exit int    // exit code of the CLI (semantics: 0 done, 1 failed, 2 usage, 3 danger, 4 cancelled, 5 host, 130 interrupted)
	GRPC int    // google.rpc.Code
	HTTP int    // RFC 9110 status
	MCP  int    // JSON-RPC 2.0 error code
}

// Table has one row for each kind, indexed by it.
var Table = [...]Row{
	OK:          {"ok", 0, 0, 200, 0},
	Failed:      {"failed", 1, 9, 422, -32000},
	Invalid:     {"invalid", 2, 3, 400, -32602},
	Danger:      {"danger", 3, 9, 422, -32000},
	Cancelled:   {"cancelled", 4, 1, 499, -32000},
	Interrupted: {"interrupted", 130, 1, 499, -32000},
	NotFound:    {"not_found", 2, 5, 404, -32602},
	Exists:      {"exists", 2, 6, 409, -32602},
	Conflict:    {"conflict", 5, 10, 409, -32000},
	Denied:      {"denied", 2, 7, 403, -32600},
	Unsupported: {"unsupported", 5, 12, 501, -32601},
	Unavailable: {"unavailable", 5, 14, 503, -32000},
	Exhausted:   {"exhausted", 5, 8, 507, -32000},
	Corrupt:     {"corrupt", 5, 15, 500, -32603},
	Internal:    {"internal", 5, 13, 500, -32603},
}

// Row returns the kind's row in the table.
func (k Kind) Row() Row {
	if k < 0 || int(k) >= len(Table) {
		return Table[Internal]
	}
	return Table[k]
}

// String returns the kind's stable name.
func (k Kind) String() string { return k.Row().Name }

// ExitCode is the exit code of a program that ends with err.
func ExitCode(err error) int { return KindOf(err).Row().Exit }
