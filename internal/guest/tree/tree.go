//go:build linux

// Package tree moves a folder as a stream of bytes: regular files, folders and
// symbolic links, nothing else, with their permissions and times.
//
// The stream walks the tree. Each name in it is a single element, never a
// path, and each folder is entered through the descriptor of its parent
// without following links; so a stream from a hostile sandbox cannot reach
// beside the folder that it is unpacked into, whatever links it brings.
// Numbers of bytes and entries, and the depth, are bounded at both ends.
package tree

import (
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// The stream begins with this and holds records: a kind, then its fields, in
// little endian; a name or target is a u16 length and so many bytes.
//
//	d name mode:u32 mtime:i64         a folder; what follows is in it
//	u                                 up to the parent folder
//	f name mode:u32 mtime:i64 size:u64 and so many bytes
//	l name target
//	e entries:u64 bytes:u64           the end; the sums are checked
const magic = "BKHT\x01"

const (
	kindDir  = 'd'
	kindUp   = 'u'
	kindFile = 'f'
	kindLink = 'l'
	kindEnd  = 'e'
)

// The bounds of a stream, whatever the caller allows.
const (
	MaxDepth  = 100
	maxName   = 255
	maxTarget = 4095
)

// Links says what a receiver does with a symbolic link that leads out of the
// tree: by an absolute target, or by more ".." than it is deep.
type Links uint8

// The answers.
const (
	RefuseOutside Links = iota // fail
	DropOutside                // leave it out, and count it
	KeepOutside                // make it as it is; whoever follows it later leaves the tree
)

// Options bound a transfer. The zero Options allow an empty tree.
type Options struct {
	Bytes   int64 // the most that all files may hold together
	Entries int64 // the most files, folders and links
	Links   Links // for Receive
	// SkipOthers leaves sockets, pipes and devices out of a sent tree instead
	// of failing. They are counted.
	SkipOthers bool
}

// Sum is what was moved.
type Sum struct {
	Entries int64
	Bytes   int64
	Left    int64 // left out: SkipOthers, DropOutside
}

// add counts an entry and its bytes against the limits.
func (s *Sum) add(o *Options, bytes int64) error {
	s.Entries++
	switch {
	case s.Entries > o.Entries:
		return fault.Newf(fault.Exhausted, "the tree has more than %d entries", o.Entries)
	case bytes > o.Bytes-s.Bytes:
		return fault.Newf(fault.Exhausted, "the tree has more than %d bytes", o.Bytes)
	}
	s.Bytes += bytes
	return nil
}

func damaged(format string, args ...any) error {
	return fault.Newf(fault.Corrupt, "tree: "+format, args...)
}

// copySize is the piece in which contents are moved.
const copySize = 256 << 10
