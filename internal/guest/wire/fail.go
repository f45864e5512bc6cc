//go:build linux

package wire

// Where says what init was doing when a request failed. It is a number, not a
// text: nothing that a guest writes reaches a person's terminal.
type Where uint8

// The places.
const (
	WhereRequest Where = iota
	WhereStream
	WherePath
	WhereOpen
	WhereRead
	WhereWrite
	WhereFork
	WhereSession
	WhereStdio
	WhereTerminal
	WhereDir
	WhereFilter
	WhereConnect
	WhereTree
	WhereEnded
	WhereLimit
	whereEnd
)

var places = [...]string{
	WhereRequest:  "request",
	WhereStream:   "stream",
	WherePath:     "resolve path",
	WhereOpen:     "open",
	WhereRead:     "read",
	WhereWrite:    "write",
	WhereFork:     "fork",
	WhereSession:  "new session",
	WhereStdio:    "stdio",
	WhereTerminal: "terminal",
	WhereDir:      "working directory",
	WhereFilter:   "seccomp filter",
	WhereConnect:  "connect",
	WhereTree:     "tree",
	WhereEnded:    "already ended",
	WhereLimit:    "limit of the sandbox",
}

// String is the place in words.
func (w Where) String() string {
	if w >= whereEnd {
		return "unknown"
	}
	return places[w]
}

// Fail ends a request badly.
type Fail struct {
	Errno uint16 // 0: none applies
	Where Where
}

// Fields is the order of the wire.
func (m *Fail) Fields(c *Codec) {
	c.U16(&m.Errno)
	c.U8((*uint8)(&m.Where))
	if m.Errno > 4095 {
		c.fail("errno %d", m.Errno)
	}
	if m.Where >= whereEnd {
		c.fail("failure at place %d", m.Where)
	}
}
