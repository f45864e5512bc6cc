//go:build linux

package seccomp

import "fmt"

// Cond is one comparison of an argument: (argument & Mask) Op Value.
//
// The kernel takes many arguments as 32-bit integers and ignores the upper
// half of the register, which the caller chooses. A rule for such an argument
// must look at the low half only (Mask 0xffffffff, or the constructors
// without "64"), or it can be walked around.
type Cond struct {
	Arg   int    // 0 to 5
	Op    Op     // the zero Op is Equal
	Value uint64 // must have no bit outside Mask
	Mask  uint64 // which bits count; 0: all 64
}

// Op is how a Cond compares.
type Op uint8

// The comparisons.
const (
	Equal Op = iota
	NotEqual
)

const low32 = 0xffffffff

// Is holds when the low 32 bits of the argument are v.
func Is(arg int, v uint32) Cond { return Cond{Arg: arg, Value: uint64(v), Mask: low32} }

// Is64 holds when the whole argument is v.
func Is64(arg int, v uint64) Cond { return Cond{Arg: arg, Value: v} }

// Masked holds when the bits of mask in the argument are exactly v.
func Masked(arg int, mask, v uint32) Cond {
	return Cond{Arg: arg, Value: uint64(v), Mask: uint64(mask)}
}

// AnyOf holds when at least one bit of mask is set in the argument.
func AnyOf(arg int, mask uint32) Cond {
	return Cond{Arg: arg, Op: NotEqual, Mask: uint64(mask)}
}

// mask is the bits that count.
func (c Cond) mask() uint64 {
	if c.Mask == 0 {
		return ^uint64(0)
	}
	return c.Mask
}

// holds says whether the condition is true for the arguments.
func (c Cond) holds(args [6]uint64) bool {
	return (args[c.Arg]&c.mask() == c.Value) == (c.Op == Equal)
}

// check refuses conditions that cannot mean what they say.
func (c Cond) check() error {
	switch {
	case c.Arg < 0 || c.Arg > 5:
		return fmt.Errorf("argument %d: a call has arguments 0 to 5", c.Arg)
	case c.Op > NotEqual:
		return fmt.Errorf("unknown comparison %d", c.Op)
	case c.Value&^c.mask() != 0:
		return fmt.Errorf("value %#x has bits outside mask %#x", c.Value, c.mask())
	}
	return nil
}

// String is the condition in a listing: "arg1&0xf == 0x2".
func (c Cond) String() string {
	op := map[Op]string{Equal: "==", NotEqual: "!="}[c.Op]
	switch c.mask() {
	case ^uint64(0):
		return fmt.Sprintf("arg%d %s %#x", c.Arg, op, c.Value)
	case low32:
		return fmt.Sprintf("int(arg%d) %s %#x", c.Arg, op, c.Value)
	}
	return fmt.Sprintf("arg%d&%#x %s %#x", c.Arg, c.Mask, op, c.Value)
}
