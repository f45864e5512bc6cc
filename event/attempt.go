package event

// Failure says why a node could not handle a message. It travels with the
// message along edges that accept failed ones.
type Failure struct {
	Node    NodeID `json:"node"`
	Attempt int    `json:"attempt"` // the number of the last attempt
	Cause   string `json:"cause"`   // as Outcome.Cause, or lost
	Reason  string `json:"reason"`
}

// AttemptEnd is the data of attempt.succeeded, attempt.failed and job.failed:
// how the command ended and what was enforced around it.
type AttemptEnd struct {
	Cause    string  `json:"cause,omitempty"` // empty when it succeeded
	ExitCode int     `json:"exit_code"`
	Signal   string  `json:"signal,omitempty"`
	TimedOut bool    `json:"timed_out,omitempty"`
	Limit    string  `json:"limit,omitempty"`
	TookMS   float64 `json:"took_ms"`
	Report   *Report `json:"report,omitempty"` // of a success only when it holds denials or something missing
}
