package wire

import (
	"context"
	"errors"

	"connectrpc.com/connect"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// Error is an error as --json prints it; nil gives the kind "ok".
func Error(err error) *apiv1.Error {
	out := &apiv1.Error{Kind: fault.KindOf(err).String(), Hint: fault.HintOf(err)}
	if err == nil {
		return out
	}
	out.Message = err.Error()

	var ps fault.Problems
	if errors.As(err, &ps) {
		out.Problems = Problems(ps)
	}
	return out
}

// FromError is the fault that Error printed, with its kind, hint and problems.
func FromError(e *apiv1.Error) error {
	err := &fault.Error{Kind: kindNamed(e.GetKind()), Msg: e.GetMessage(), Hint: e.GetHint()}
	if len(e.GetProblems()) > 0 {
		err.Err = fromProblems(e.GetProblems())
	}
	return err
}

// ToConnect is an error as the socket sends it: a code, a message, and the
// whole Error as a detail.
func ToConnect(err error) error {
	if err == nil {
		return nil
	}

	out := connect.NewError(connect.Code(fault.KindOf(err).Row().GRPC), err) //nolint:gosec // the table holds small codes
	if detail, dErr := connect.NewErrorDetail(Error(err)); dErr == nil {
		out.AddDetail(detail)
	}
	return out
}

// FromConnect is the fault behind an answer of the socket. An error without
// our detail comes from the transport: its code chooses the kind.
func FromConnect(err error) error {
	var ce *connect.Error
	if !errors.As(err, &ce) {
		return err
	}

	for _, d := range ce.Details() {
		v, dErr := d.Value()
		if e, ok := v.(*apiv1.Error); dErr == nil && ok {
			return FromError(e)
		}
	}
	if !connect.IsWireError(ce) {
		return lost(ce)
	}
	return &fault.Error{Kind: kindOfCode(ce.Code()), Msg: ce.Message(), Err: ce.Unwrap()}
}

// lost is the fault of a call that no answer came to: the other end is gone,
// or we gave up ourselves.
func lost(ce *connect.Error) error {
	if errors.Is(ce, context.Canceled) {
		return &fault.Error{Kind: fault.Cancelled, Msg: ce.Message(), Err: ce.Unwrap()}
	}
	return &fault.Error{Kind: fault.Unavailable, Msg: "no answer from the holder of the state folder: " + ce.Message(), Err: ce.Unwrap()}
}

// kindNamed finds a kind by its stable name; Internal when it is unknown.
func kindNamed(name string) fault.Kind {
	for k, row := range fault.Table {
		if row.Name == name {
			return fault.Kind(k)
		}
	}
	return fault.Internal
}

// transportKinds are the codes that the transport itself answers with.
var transportKinds = map[connect.Code]fault.Kind{
	connect.CodeCanceled:          fault.Cancelled,
	connect.CodeDeadlineExceeded:  fault.Unavailable,
	connect.CodeUnavailable:       fault.Unavailable,
	connect.CodeInvalidArgument:   fault.Invalid,
	connect.CodePermissionDenied:  fault.Denied,
	connect.CodeUnauthenticated:   fault.Denied,
	connect.CodeUnimplemented:     fault.Unsupported,
	connect.CodeResourceExhausted: fault.Exhausted,
}

func kindOfCode(c connect.Code) fault.Kind {
	if k, ok := transportKinds[c]; ok {
		return k
	}
	return fault.Internal
}
