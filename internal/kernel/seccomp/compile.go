//go:build linux

package seccomp

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// Where the fields of struct seccomp_data stand; see seccomp(2). Both
// architectures are little-endian: the low half of an argument comes first.
const (
	offsetNr   = 0
	offsetArch = 4
	offsetArgs = 16
)

// The instructions of classic BPF that a filter needs.
const (
	opLoad   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	opAnd    = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
	opEqual  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	opAtMin  = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	opJump   = unix.BPF_JMP | unix.BPF_JA
	opReturn = unix.BPF_RET | unix.BPF_K
)

// maxShort is the farthest target of a conditional jump.
const maxShort = 255

// code is a piece of a program that ends in a return on every path, or falls
// out at its end.
type code = []unix.SockFilter

// Compile returns the program for an architecture: first the check of the
// architecture itself, then a balanced tree over ranges of call numbers, and
// argument checks in its leaves. It fails for a filter that Check refuses and
// for one that the kernel would find too long.
func (f Filter) Compile(a Arch) ([]unix.SockFilter, error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	ranges, err := f.ranges(a)
	if err != nil {
		return nil, fmt.Errorf("seccomp filter %q: %w", f.Name, err)
	}

	prog := append(code{
		{Code: opLoad, K: offsetArch},
		{Code: opEqual, Jt: 1, K: a.Audit},
		{Code: opReturn, K: KillProcess.ret()},
		{Code: opLoad, K: offsetNr},
	}, search(ranges)...)
	if len(prog) > unix.BPF_MAXINSNS {
		return nil, fmt.Errorf("seccomp filter %q: %d instructions; the kernel takes %d", f.Name, len(prog), unix.BPF_MAXINSNS)
	}
	return prog, nil
}

// span is what happens to the call numbers from first to the next span.
type span struct {
	first uint32
	leaf  code
}

// ranges lists the spans of an architecture in ascending order, from 0.
func (f Filter) ranges(a Arch) ([]span, error) {
	leaves, err := f.leaves(a)
	if err != nil {
		return nil, err
	}
	otherwise := code{{Code: opReturn, K: f.Otherwise.ret()}}
	spans := []span{{0, otherwise}}
	add := func(first uint32, leaf code) {
		last := &spans[len(spans)-1]
		switch {
		case slices.Equal(last.leaf, leaf):
		case last.first == first:
			last.leaf = leaf
		default:
			spans = append(spans, span{first, leaf})
		}
	}

	for _, nr := range sorted(leaves) {
		add(nr, leaves[nr])
		if _, next := leaves[nr+1]; !next {
			add(nr+1, otherwise)
		}
	}
	if a.X32 {
		add(x32Bit, code{{Code: opReturn, K: KillProcess.ret()}})
	}
	return spans, nil
}

func sorted(leaves map[uint32]code) []uint32 {
	numbers := make([]uint32, 0, len(leaves))
	for nr := range leaves {
		numbers = append(numbers, nr)
	}
	slices.Sort(numbers)
	return numbers
}
