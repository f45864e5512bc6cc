//go:build linux

// Package wire is the language between a host and the first process of a live
// sandbox: frames with strict bounds, messages with one definition for both
// directions, and connections that carry file descriptors where they can.
//
// The host side reads what a hostile guest may have written. Nothing here
// allocates more than a frame's limit for a frame, trusts a count before the
// bytes are there, or uses reflection.
package wire

import "github.com/bulkhead-dev/bulkhead/internal/fault"

// Magic and Version open every session. A peer with another version is
// refused: the two binaries are built and shipped together.
const (
	Magic   = 0x44484b42 // "BKHD"
	Version = 1
)

// The bounds of frames.
const (
	HeaderSize = 16
	MaxRequest = 3 << 20   // payload from host to guest: execve's own limit of 2 MiB, and a filter
	MaxReply   = 256 << 10 // payload from guest to host
	MaxData    = 64 << 10  // payload of a data frame
	MaxFDs     = 3         // descriptors of a frame
)

// Window is how many bytes of a framed stream may be on the way unread.
const Window = 1 << 20

// Kind says what a frame is.
type Kind uint8

// The kinds of frames. A request is answered by any number of parts and then
// exactly one of done and fail, with its id.
const (
	KindHello Kind = 1 + iota

	KindDone // guest: the request is finished
	KindPart // guest: something on the way
	KindFail // guest: the request is finished, badly

	KindCancel // host: stop this request
	KindFinish // host: the stream of this request is complete, this many bytes

	KindData   // bytes of a framed stream
	KindEnd    // no more bytes will come on a framed stream
	KindCredit // that many more bytes may be sent
	KindStop   // the reader of a framed stream has gone

	KindPing
	KindExec
	KindSignal
	KindResize
	KindProcesses
	KindKill
	KindMetrics
	KindStat
	KindList
	KindMkdir
	KindRemove
	KindRename
	KindRead
	KindWrite
	KindWatch
	KindUpload
	KindDownload
	KindDial
	KindShutdown

	kindEnd
)

// Known reports whether this version has the kind.
func (k Kind) Known() bool { return k >= KindHello && k < kindEnd }

// Request reports whether the kind is a host's request.
func (k Kind) Request() bool { return k >= KindPing && k < kindEnd }

// Frame is one unit on the wire.
type Frame struct {
	Kind    Kind
	Index   uint16 // which stream of the request; 0 for frames without one
	ID      uint64 // the request, chosen by the host; 0 only in a hello
	Payload []byte // after Read: valid until the next Read
	FDs     []int  // after Read: the receiver's to close
}

// broken is the error for bytes that no well-behaved peer sends.
func broken(format string, args ...any) error {
	return fault.Newf(fault.Corrupt, "guest protocol: "+format, args...)
}
