package spawn

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// image is a program laid out outside the Go heap, where a vforked child can
// walk it. One start at a time uses an image.
//
//	0       slots
//	4096    the child's stack, growing down from 8192
//	8192    operations, 64 bytes each
//	...     strings, vectors, structs
type image struct {
	arena []byte
	slots *[MaxSlots]uint64
	ops   []rawOp
	used  int
}

// rawOp is one operation as the assembly reads it.
type rawOp struct {
	nr   uint64
	args [6]uint64
	ctl  uint64 // bits 0 to 5: argument i is a slot's address to load from; bit 6: go on after an error; bits 16 to 31: the result's slot
}

const (
	stackTop  = 8192
	opsStart  = 8192
	rawOpSize = 64

	ctlMay         = 1 << 6
	ctlResultShift = 16
)

// newImage lays out p.
func newImage(p *Program) (*image, error) {
	size := opsStart + (len(p.Ops)+1)*rawOpSize
	for _, op := range p.Ops {
		for _, a := range op.Args {
			size += a.size()
		}
	}
	arena, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("map syscall program: %w", err)
	}
	im := &image{arena: arena}
	im.slots = (*[MaxSlots]uint64)(unsafe.Pointer(&arena[0]))
	im.ops = unsafe.Slice((*rawOp)(unsafe.Pointer(&arena[opsStart])), len(p.Ops)+1)
	im.used = opsStart + (len(p.Ops)+1)*rawOpSize
	for i, op := range p.Ops {
		im.ops[i] = im.lower(op)
	}
	return im, nil
}

func (im *image) free() {
	if im.arena != nil {
		_ = unix.Munmap(im.arena)
		im.arena = nil
	}
}

// reset puts every slot to its value at the start.
func (im *image) reset(p *Program, fds []int) {
	clear(im.slots[:])
	for s, v := range p.Preset {
		im.slots[s] = v
	}
	for i, s := range p.Params {
		im.slots[s] = uint64(fds[i])
	}
}

func (im *image) lower(op Op) rawOp {
	r := rawOp{nr: uint64(op.Call), ctl: uint64(op.Result) << ctlResultShift}
	if op.May {
		r.ctl |= ctlMay
	}
	for i, a := range op.Args {
		if a.Kind == ArgSlot {
			r.ctl |= 1 << i
		}
		r.args[i] = im.word(a)
	}
	return r
}

// word is the 64-bit value of an argument; what it points to goes into the arena.
func (im *image) word(a Arg) uint64 {
	switch a.Kind {
	case ArgBytes:
		return im.place(a.Bytes)
	case ArgVector:
		words := make([]uint64, max(1, len(a.List)))
		for i, e := range a.List {
			words[i] = im.word(e)
		}
		return im.place(unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(words)*8))
	case ArgAddr:
		return uint64(uintptr(unsafe.Pointer(&im.slots[a.Value])))
	default:
		return a.Value
	}
}

// place copies b into the arena, aligned for any kernel struct.
func (im *image) place(b []byte) uint64 {
	at := (im.used + 7) &^ 7
	copy(im.arena[at:], b)
	im.used = at + len(b)
	return uint64(uintptr(unsafe.Pointer(&im.arena[0])) + uintptr(at))
}

// size is an upper bound for the arena space of an argument.
func (a Arg) size() int {
	n := len(a.Bytes) + 16 + 8*len(a.List)
	for _, e := range a.List {
		n += e.size()
	}
	return n
}
