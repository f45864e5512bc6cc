//go:build linux

package wire

// The bounds of fields.
const (
	MaxPath   = 4095      // PATH_MAX without its NUL
	MaxName   = 255       // NAME_MAX
	MaxArg    = 128 << 10 // MAX_ARG_STRLEN
	MaxArgs   = 64 << 10
	MaxFilter = 8 * 4096 // BPF_MAXINSNS
	MaxShown  = 4096     // of a process's command line
)

// Hello opens a session, in both directions.
type Hello struct {
	Magic   uint32
	Version uint16
	Rights  bool      // descriptors can travel, as far as this end knows
	Key     [2]uint64 // host to guest: the arguments that let init load a filter; see docs/guest.md
}

// Fields is the order of the wire.
func (m *Hello) Fields(c *Codec) {
	c.U32(&m.Magic)
	c.U16(&m.Version)
	c.Bool(&m.Rights)
	c.U64(&m.Key[0])
	c.U64(&m.Key[1])
}

// Check refuses a peer that speaks something else.
func (m *Hello) Check() error {
	switch {
	case m.Magic != Magic:
		return broken("the peer does not speak it")
	case m.Version != Version:
		return broken("version %d; this end has %d", m.Version, Version)
	}
	return nil
}

// Stdio bits of an Exec: which of its streams exist.
const (
	HasStdin  = 1 << iota // stream 0, host to guest
	HasStdout             // stream 1, guest to host
	HasStderr             // stream 2, guest to host
	Merged                // stderr goes where stdout goes
)

// Exec asks for a command.
type Exec struct {
	Args    []string
	Env     []string
	Dir     string // empty: init's own
	Timeout int64  // nanoseconds; 0: none
	Grace   int64  // between SIGTERM and SIGKILL at the time-out; 0: SIGKILL at once
	Filter  []byte // struct sock_filter, one after the other; empty: none
	Stdio   uint8
	PTY     bool // its streams are one terminal
	Rows    uint16
	Cols    uint16
	Quiet   bool // do not tell that it started; not with PTY
}

// Fields is the order of the wire.
func (m *Exec) Fields(c *Codec) {
	c.Strs(&m.Args, MaxArgs, MaxArg)
	c.Strs(&m.Env, MaxArgs, MaxArg)
	c.Str(&m.Dir, MaxPath)
	c.Count(&m.Timeout)
	c.Count(&m.Grace)
	c.Bytes(&m.Filter, MaxFilter)
	c.U8(&m.Stdio)
	c.Bool(&m.PTY)
	c.U16(&m.Rows)
	c.U16(&m.Cols)
	c.Bool(&m.Quiet)
	if len(m.Args) == 0 {
		c.fail("a command without a name")
	}
	if len(m.Filter)%8 != 0 {
		c.fail("a filter that is not whole instructions")
	}
	if m.PTY && m.Quiet {
		c.fail("a terminal that nobody is told of")
	}
}

// Started is the first part of an exec's answer.
type Started struct{ PID uint32 }

// Fields is the order of the wire.
func (m *Started) Fields(c *Codec) { c.U32(&m.PID) }

// Exited ends an exec.
type Exited struct {
	PID      uint32 // 0: it could not be run
	Code     uint8
	Signal   uint8 // 0: it ended by itself
	TimedOut bool
	NotFound bool   // there was no such program (Code is 127) or it could not be run (126)
	Errno    uint16 // of that
	User     int64  // nanoseconds
	System   int64  // nanoseconds
	MaxRSS   int64  // bytes
}

// Fields is the order of the wire.
func (m *Exited) Fields(c *Codec) {
	c.U32(&m.PID)
	c.U8(&m.Code)
	c.U8(&m.Signal)
	c.Bool(&m.TimedOut)
	c.Bool(&m.NotFound)
	c.U16(&m.Errno)
	c.Count(&m.User)
	c.Count(&m.System)
	c.Count(&m.MaxRSS)
	if m.Signal > 64 {
		c.fail("signal %d", m.Signal)
	}
}

// Signal goes to the process group of an exec.
type Signal struct {
	Exec   uint64
	Signal uint8
}

// Fields is the order of the wire.
func (m *Signal) Fields(c *Codec) {
	c.U64(&m.Exec)
	c.U8(&m.Signal)
}

// Resize changes the terminal of an exec.
type Resize struct {
	Exec uint64
	Rows uint16
	Cols uint16
}

// Fields is the order of the wire.
func (m *Resize) Fields(c *Codec) {
	c.U64(&m.Exec)
	c.U16(&m.Rows)
	c.U16(&m.Cols)
}

// Process is one process of the sandbox.
type Process struct {
	PID     uint32
	Parent  uint32
	Group   uint32
	Session uint32
	Exec    uint64 // the exec that it descends from by its session; 0: unknown
	Start   uint64 // clock ticks since boot: with PID, its identity
	State   uint8  // a letter, see proc(5)
	User    int64  // nanoseconds
	System  int64  // nanoseconds
	RSS     int64  // bytes
	Args    []string
}

const processSize = 4*4 + 2*8 + 1 + 3*8 + 4

// Fields is the order of the wire.
func (m *Process) Fields(c *Codec) {
	c.U32(&m.PID)
	c.U32(&m.Parent)
	c.U32(&m.Group)
	c.U32(&m.Session)
	c.U64(&m.Exec)
	c.U64(&m.Start)
	c.U8(&m.State)
	c.Count(&m.User)
	c.Count(&m.System)
	c.Count(&m.RSS)
	c.Strs(&m.Args, MaxShown, MaxShown)
}

// Processes is a part of a listing.
type Processes struct{ List []Process }

// Fields is the order of the wire.
func (m *Processes) Fields(c *Codec) { List(c, &m.List, MaxReply/processSize, processSize) }

// Kill signals one process.
type Kill struct {
	PID    uint32
	Start  uint64 // its start; another one means that the process is gone
	Signal uint8
}

// Fields is the order of the wire.
func (m *Kill) Fields(c *Codec) {
	c.U32(&m.PID)
	c.U64(&m.Start)
	c.U8(&m.Signal)
}

// Metrics is what the processes of the sandbox use together.
type Metrics struct {
	Processes uint32
	Threads   uint32
	User      int64  // nanoseconds: of living processes and of all that were reaped
	System    int64  // nanoseconds
	RSS       int64  // bytes; shared pages count for each process
	MaxRSS    int64  // bytes: the largest process that was reaped
	Read      int64  // bytes from storage, by reaped processes
	Written   int64  // bytes to storage, by reaped processes
	Execs     uint32 // running
	Reaped    uint64 // processes that ended since the start
}

// Fields is the order of the wire.
func (m *Metrics) Fields(c *Codec) {
	c.U32(&m.Processes)
	c.U32(&m.Threads)
	c.Count(&m.User)
	c.Count(&m.System)
	c.Count(&m.RSS)
	c.Count(&m.MaxRSS)
	c.Count(&m.Read)
	c.Count(&m.Written)
	c.U32(&m.Execs)
	c.U64(&m.Reaped)
}

// Path names a file of the sandbox: from its root, however it is written.
type Path struct {
	Path   string
	Follow bool // stat: through a last symbolic link
	All    bool // remove: with everything beneath
}

// Fields is the order of the wire.
func (m *Path) Fields(c *Codec) {
	c.Str(&m.Path, MaxPath)
	c.Bool(&m.Follow)
	c.Bool(&m.All)
}

// Info is what is known about a file.
type Info struct {
	Name   string // the last element of its path
	Mode   uint32 // as stat(2) has it
	Size   int64
	MTime  int64 // nanoseconds since 1970
	UID    uint32
	GID    uint32
	Target string // of a symbolic link
}

const infoSize = 4 + 4 + 8 + 8 + 4 + 4 + 4

// Fields is the order of the wire.
func (m *Info) Fields(c *Codec) {
	c.Str(&m.Name, MaxName)
	c.U32(&m.Mode)
	c.Count(&m.Size)
	c.I64(&m.MTime)
	c.U32(&m.UID)
	c.U32(&m.GID)
	c.Str(&m.Target, MaxPath)
}

// Infos is a part of a listing.
type Infos struct{ List []Info }

// Fields is the order of the wire.
func (m *Infos) Fields(c *Codec) { List(c, &m.List, MaxReply/infoSize, infoSize) }

// Mkdir makes a folder.
type Mkdir struct {
	Path    string
	Mode    uint32
	Parents bool // make missing parents, and an existing folder is no error
}

// Fields is the order of the wire.
func (m *Mkdir) Fields(c *Codec) {
	c.Str(&m.Path, MaxPath)
	c.U32(&m.Mode)
	c.Bool(&m.Parents)
}

// Rename moves a file.
type Rename struct {
	From      string
	To        string
	NoReplace bool
}

// Fields is the order of the wire.
func (m *Rename) Fields(c *Codec) {
	c.Str(&m.From, MaxPath)
	c.Str(&m.To, MaxPath)
	c.Bool(&m.NoReplace)
}

// Read asks for the bytes of a file, on stream 0. A part with its Info comes
// first; done has the Count.
type Read struct {
	Path   string
	Offset int64
	Limit  int64 // 0: to the end
}

// Fields is the order of the wire.
func (m *Read) Fields(c *Codec) {
	c.Str(&m.Path, MaxPath)
	c.Count(&m.Offset)
	c.Count(&m.Limit)
}

// Write brings the bytes of a file on stream 0, and then KindFinish.
type Write struct {
	Path   string
	Mode   uint32 // of a new file
	Atomic bool   // all or nothing: a new file takes the old one's place
	Append bool
	New    bool // it must not exist
	Sync   bool // durable before done
}

// Fields is the order of the wire.
func (m *Write) Fields(c *Codec) {
	c.Str(&m.Path, MaxPath)
	c.U32(&m.Mode)
	c.Bool(&m.Atomic)
	c.Bool(&m.Append)
	c.Bool(&m.New)
	c.Bool(&m.Sync)
}

// Count is a number of bytes.
type Count struct{ N int64 }

// Fields is the order of the wire.
func (m *Count) Fields(c *Codec) { c.Count(&m.N) }

// Watch asks for changes. A first part without events says that none will be
// missed from now on; it goes on until it is cancelled.
type Watch struct {
	Path      string
	Recursive bool
}

// Fields is the order of the wire.
func (m *Watch) Fields(c *Codec) {
	c.Str(&m.Path, MaxPath)
	c.Bool(&m.Recursive)
}

// Change bits of an Event.
const (
	Created = 1 << iota
	Written
	Removed
	Moved    // away from or to this name
	Attrs    // mode, owner or times
	Overflow // changes were lost: look at everything
)

// Event is one change beneath a watched path.
type Event struct {
	Path string // relative to what is watched; empty: that itself
	Bits uint8
}

const eventSize = 4 + 1

// Fields is the order of the wire.
func (m *Event) Fields(c *Codec) {
	c.Str(&m.Path, MaxPath)
	c.U8(&m.Bits)
}

// Events is a part of a watch.
type Events struct{ List []Event }

// Fields is the order of the wire.
func (m *Events) Fields(c *Codec) { List(c, &m.List, MaxReply/eventSize, eventSize) }

// Tree asks to send (download) or to take (upload) a folder on stream 0, in
// the form of package tree. An upload ends with KindFinish.
type Tree struct {
	Path    string
	Bytes   int64 // the most that its files may hold
	Entries int64 // the most that it may have

	SkipOthers bool // leave sockets, pipes and devices out
}

// Fields is the order of the wire.
func (m *Tree) Fields(c *Codec) {
	c.Str(&m.Path, MaxPath)
	c.Count(&m.Bytes)
	c.Count(&m.Entries)
	c.Bool(&m.SkipOthers)
}

// TreeSum ends a transfer of a tree.
type TreeSum struct {
	Entries int64
	Bytes   int64
	Left    int64 // left out
}

// Fields is the order of the wire.
func (m *TreeSum) Fields(c *Codec) {
	c.Count(&m.Entries)
	c.Count(&m.Bytes)
	c.Count(&m.Left)
}

// Dial asks for a connection to a loopback port.
type Dial struct{ Port uint16 }

// Fields is the order of the wire.
func (m *Dial) Fields(c *Codec) { c.U16(&m.Port) }

// Shutdown ends the sandbox: SIGTERM to everything, and SIGKILL after Grace.
type Shutdown struct{ Grace int64 }

// Fields is the order of the wire.
func (m *Shutdown) Fields(c *Codec) { c.Count(&m.Grace) }

// Empty has no fields.
type Empty struct{}

// Fields is the order of the wire.
func (m *Empty) Fields(*Codec) {}
