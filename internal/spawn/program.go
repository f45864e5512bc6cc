// Package spawn starts a process by a syscall program: a table of system
// calls that a child makes between clone and execve, in order, with no other
// code in between.
//
// The table is data. It is printed for people (explain), checked by tests,
// and run by one of two launchers: the assembly loop of this package, which
// walks it in a vforked child without any Go runtime (amd64), or
// internal/jail/reexec, which walks it in a re-executed helper (portable,
// and the reference that the fast one is compared with).
package spawn

import (
	"fmt"
	"syscall"
)

// Slot is one of the program's 64-bit variables. Results of calls land in
// slots, later calls read them, and small kernel structs are laid out in
// consecutive slots.
type Slot int

// MaxSlots is the number of slots of a program. The last three belong to the
// launcher: the child's pidfd, and which operation failed, and how.
const MaxSlots = 512

const (
	usable    = MaxSlots - 3
	slotPidfd = MaxSlots - 3
	slotErrno = MaxSlots - 2 // also in clone_linux_amd64.s
	slotIndex = MaxSlots - 1 // also in clone_linux_amd64.s
)

// ArgKind says how an argument gets its value.
type ArgKind uint8

// The kinds of arguments.
const (
	ArgInt    ArgKind = iota // the number itself
	ArgBytes                 // the address of a copy of the bytes
	ArgVector                // the address of an array of words, each an argument
	ArgSlot                  // the value of a slot
	ArgAddr                  // the address of a slot
)

// Arg is one argument of a call.
type Arg struct {
	Kind  ArgKind `json:"k,omitempty"`
	Value uint64  `json:"v,omitempty"`
	Bytes []byte  `json:"b,omitempty"`
	List  []Arg   `json:"l,omitempty"`
	Text  string  `json:"t,omitempty"` // how to print it; empty: by kind
}

// Int is a number.
func Int[T ~int | ~int32 | ~int64 | ~uint32 | ~uint64 | ~uintptr](v T) Arg {
	return Arg{Kind: ArgInt, Value: uint64(v)}
}

// Flag is a number that prints as its name.
func Flag[T ~int | ~int32 | ~int64 | ~uint32 | ~uint64 | ~uintptr](v T, name string) Arg {
	return Arg{Kind: ArgInt, Value: uint64(v), Text: name}
}

// Str is the address of a string, ended by a zero byte.
func Str(s string) Arg {
	return Arg{Kind: ArgBytes, Bytes: append([]byte(s), 0), Text: fmt.Sprintf("%q", s)}
}

// Data is the address of bytes that print as text.
func Data(b []byte, text string) Arg { return Arg{Kind: ArgBytes, Bytes: b, Text: text} }

// Vector is the address of an array of words.
func Vector(text string, words ...Arg) Arg { return Arg{Kind: ArgVector, List: words, Text: text} }

// Value is what a slot holds when the call is made.
func (s Slot) Value() Arg { return Arg{Kind: ArgSlot, Value: uint64(s)} }

// Addr is the address of a slot.
func (s Slot) Addr(text string) Arg { return Arg{Kind: ArgAddr, Value: uint64(s), Text: text} }

// Op is one system call.
type Op struct {
	Step   string  `json:"step"`            // the wall that it belongs to, as reports name it
	Call   uintptr `json:"call"`            // its number on this architecture
	Name   string  `json:"name"`            // its name
	Args   []Arg   `json:"args"`            // at most six; the rest are zero
	Result Slot    `json:"res,omitempty"`   // where the result goes; 0: nowhere
	May    bool    `json:"may,omitempty"`   // go on if it fails
	Clone  bool    `json:"clone,omitempty"` // done by clone itself in a launcher that maps ids from outside
}

// Program is a table of calls. The zero Program is empty and usable. It is
// not safe for concurrent building; a finished one is never written again.
type Program struct {
	Ops    []Op            `json:"ops"`
	Preset map[Slot]uint64 `json:"preset,omitempty"` // values that slots have at the start
	Params []Slot          `json:"params,omitempty"` // slots that get a file descriptor at each start, in order
	Flags  uint64          `json:"flags"`            // CLONE_NEW*: the namespaces that the child is born in
	IDs    *IDMap          `json:"ids,omitempty"`    // the user namespace's only mapping; nil: none

	next Slot
	step string
}

// IDMap maps one user and one group of a user namespace to the caller's own.
type IDMap struct {
	InnerUID, OuterUID int
	InnerGID, OuterGID int
}

// Step names the wall that the following calls belong to.
func (p *Program) Step(name string) { p.step = name }

// Slot reserves n consecutive slots and returns the first. Slot 0 is never
// handed out. It panics when the program is out of slots, which is a defect
// of the caller: plans bound their grants.
func (p *Program) Slot(n int) Slot {
	if p.next == 0 {
		p.next = 1
	}
	s := p.next
	p.next += Slot(n)
	if p.next > usable {
		panic("spawn: program needs more slots than there are")
	}
	return s
}

// Free is the number of slots that are left.
func (p *Program) Free() int { return int(usable - max(p.next, 1)) }

// Set gives a slot its value at the start.
func (p *Program) Set(s Slot, v uint64) {
	if p.Preset == nil {
		p.Preset = map[Slot]uint64{}
	}
	p.Preset[s] = v
}

// Param reserves a slot that holds a file descriptor given at each start.
func (p *Program) Param() Slot {
	s := p.Slot(1)
	p.Params = append(p.Params, s)
	return s
}

// Call appends a call whose failure stops the start.
func (p *Program) Call(name string, nr uintptr, args ...Arg) *Op {
	p.Ops = append(p.Ops, Op{Step: p.step, Call: nr, Name: name, Args: args})
	return &p.Ops[len(p.Ops)-1]
}

// Into stores the call's result in a slot.
func (o *Op) Into(s Slot) { o.Result = s }

// Optional lets the program go on when the call fails.
func (o *Op) Optional() *Op { o.May = true; return o }

// StepError says which call of a program failed.
type StepError struct {
	Step  string // the wall
	Call  string // the call with its arguments
	Errno syscall.Errno
}

// Error names the step, the call and the kernel's answer.
func (e *StepError) Error() string { return fmt.Sprintf("%s: %s: %v", e.Step, e.Call, e.Errno) }

// Unwrap returns the errno.
func (e *StepError) Unwrap() error { return e.Errno }

// Failed makes the error for operation i of p.
func (p *Program) Failed(i int, errno syscall.Errno) error {
	if i < 0 || i >= len(p.Ops) {
		return &StepError{Step: "start", Call: "unknown operation", Errno: errno}
	}
	return &StepError{Step: p.Ops[i].Step, Call: p.Ops[i].String(), Errno: errno}
}
