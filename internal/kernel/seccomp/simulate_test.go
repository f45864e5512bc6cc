//go:build linux

package seccomp

import (
	"encoding/binary"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// seccompData is struct seccomp_data as the kernel lays it out.
func seccompData(arch, nr uint32, args [6]uint64) []byte {
	b := make([]byte, 64)
	binary.LittleEndian.PutUint32(b[offsetNr:], nr)
	binary.LittleEndian.PutUint32(b[offsetArch:], arch)
	for i, a := range args {
		binary.LittleEndian.PutUint64(b[offsetArgs+8*i:], a)
	}
	return b
}

// simulate runs a program as the kernel would, and counts the steps. It knows
// exactly the instructions that seccomp's checker accepts and we emit.
func simulate(prog []unix.SockFilter, data []byte) (ret uint32, steps int, err error) {
	var a uint32
	for pc := 0; pc < len(prog); pc++ {
		steps++
		in := prog[pc]
		switch in.Code {
		case opLoad:
			if in.K%4 != 0 || in.K > 60 {
				return 0, steps, fmt.Errorf("load at %d", in.K)
			}
			a = binary.LittleEndian.Uint32(data[in.K:])
		case opAnd:
			a &= in.K
		case opEqual:
			pc += jump(a == in.K, in)
		case opAtMin:
			pc += jump(a >= in.K, in)
		case opJump:
			pc += int(in.K)
		case opReturn:
			return in.K, steps, nil
		default:
			return 0, steps, fmt.Errorf("instruction %#x at %d", in.Code, pc)
		}
	}
	return 0, steps, fmt.Errorf("ran past the end")
}

func jump(taken bool, in unix.SockFilter) int {
	if taken {
		return int(in.Jt)
	}
	return int(in.Jf)
}

// agree fails the test unless the program answers a call as the tables do.
func agree(t *testing.T, f Filter, a Arch, prog []unix.SockFilter, nr uint32, args [6]uint64) {
	t.Helper()
	got, _, err := simulate(prog, seccompData(a.Audit, nr, args))
	if err != nil {
		t.Fatalf("%s %s call %d %#x: %v", f.Name, a.Name, nr, args, err)
	}
	if want := f.Decide(a, nr, args).ret(); got != want {
		name, _ := a.CallName(nr)
		t.Fatalf("%s %s %s (%d) %#x: program says %#x, tables say %#x", f.Name, a.Name, name, nr, args, got, want)
	}
}
