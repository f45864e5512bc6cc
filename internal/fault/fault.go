// Package fault names the kinds of errors that Bulkhead reports, and carries
// for each one what a person needs: what happened, where, why and what to do.
//
// A fault is chosen where its meaning is known and passed upward untouched.
// The one table that turns a kind into an exit code, an HTTP status, a gRPC
// code and an MCP error is in kinds.go.
package fault

import (
	"errors"
	"fmt"
)

// Error is an error of a known kind.
type Error struct {
	Kind Kind
	Msg  string // what happened, lower case, no final stop
	Hint string // the next step for the reader; empty means there is none
	Err  error  // the cause; may be nil
}

// New returns an error of a kind with a plain message.
func New(kind Kind, msg string) *Error { return &Error{Kind: kind, Msg: msg} }

// Newf is New with formatting. A %w verb records the cause.
func Newf(kind Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Msg: err.Error(), Err: errors.Unwrap(err)}
}

// WithHint returns a copy of e that tells the reader what to do next.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// Error returns the message without the hint.
func (e *Error) Error() string { return e.Msg }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the first fault in err's chain; Internal when
// there is none, and OK for nil.
func KindOf(err error) Kind {
	if err == nil {
		return OK
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	var p Problems
	if errors.As(err, &p) {
		return Invalid
	}
	return Internal
}

// HintOf returns the hint of the first fault in err's chain that has one.
func HintOf(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}
