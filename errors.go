package bulkhead

import (
	"fmt"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// Kind says what sort of thing went wrong.
type Kind string

// The kinds of errors that a program may want to tell apart.
const (
	Invalid     Kind = "invalid"     // the request is wrong
	NotFound    Kind = "not_found"   // the thing named does not exist
	Exists      Kind = "exists"      // the thing is there already
	Denied      Kind = "denied"      // the policy, or the sandbox, refuses it
	Unsupported Kind = "unsupported" // this host cannot do it
	Unavailable Kind = "unavailable" // something needed is gone: often the sandbox
	Exhausted   Kind = "exhausted"   // a limit is reached
	Cancelled   Kind = "cancelled"   // the context ended it
)

// KindOf returns the kind of an error of this package; empty for nil. There
// are more kinds than the constants.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	return Kind(fault.KindOf(err).String())
}

// Hint returns what to do about an error; empty when there is nothing to say.
func Hint(err error) string { return fault.HintOf(err) }

// ExitError is the error of a Cmd that did not succeed.
type ExitError struct {
	*Result
	cause error
}

// Error says how the command ended.
func (e *ExitError) Error() string {
	switch {
	case e.cause != nil:
		return e.cause.Error()
	case e.TimedOut:
		return "out of time"
	case e.Limit != "":
		return e.Limit + " limit reached"
	case e.Cancelled:
		return "cancelled"
	case e.Signal != 0:
		return "signal: " + e.Signal.String()
	}
	return fmt.Sprintf("exit status %d", e.ExitCode)
}

// Unwrap returns why the program could not be run; nil when it ran.
func (e *ExitError) Unwrap() error { return e.cause }
