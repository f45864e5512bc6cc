//go:build linux

package seccomp

import (
	"slices"

	"golang.org/x/sys/unix"
)

// Key is a secret with which a process may load a further filter: the fourth
// and fifth argument of prctl(PR_SET_SECCOMP), which the kernel ignores.
type Key [2]uint64

// slot stands for the key in a compiled program: numbers that no table has.
var slot = Key{0x9d3c51e7a4f2b86d, 0x6b1fe08c72d5943a}

// Keyed returns a copy of f that lets who knows the key load a filter; all
// others stay refused. The program is made for one key by WithKey.
func (f Filter) Keyed() Filter {
	f = f.With(when("prctl", Allow,
		Is(0, unix.PR_SET_SECCOMP), Is(1, unix.SECCOMP_MODE_FILTER), Is64(3, slot[0]), Is64(4, slot[1])))
	f.Name += ", keyed"
	return f
}

// WithKey returns a copy of a program of a Keyed filter for one key.
func WithKey(prog []unix.SockFilter, key Key) []unix.SockFilter {
	prog = slices.Clone(prog)
	for i, in := range prog {
		if in.Code != opEqual {
			continue
		}
		for n, half := range halves(slot) {
			if in.K == half {
				prog[i].K = halves(key)[n]
			}
		}
	}
	return prog
}

func halves(k Key) [4]uint32 {
	return [4]uint32{uint32(k[0]), uint32(k[0] >> 32), uint32(k[1]), uint32(k[1] >> 32)}
}

// Bytes is a program as the kernel and the guest protocol have it: struct
// sock_filter, one after the other.
func Bytes(prog []unix.SockFilter) []byte {
	b := make([]byte, 0, 8*len(prog))
	for _, in := range prog {
		b = append(b, byte(in.Code), byte(in.Code>>8), in.Jt, in.Jf, byte(in.K), byte(in.K>>8), byte(in.K>>16), byte(in.K>>24))
	}
	return b
}
