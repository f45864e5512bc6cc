//go:build linux && (amd64 || arm64)

package spawn

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"unsafe"
)

// initRange returns the addresses of the first process's code in this binary.
func initRange() (start, end uintptr)

// machines are the ELF machine numbers: elf(5).
var machines = map[string]uint16{"amd64": 62, "arm64": 183}

const (
	initBase   = 0x400000
	initHeader = 64 + 56 + 56 // ELF header and two program headers
	initMax    = 1024
)

// InitELF returns the executable of a sandbox's first process: one page,
// static, without a writable segment. See init_linux_amd64.s for what it does.
func InitELF() ([]byte, error) {
	start, end := initRange()
	if end <= start || end-start > initMax {
		return nil, fmt.Errorf("sandbox init: the linker moved its code apart (%#x to %#x)", start, end)
	}
	text := *(**byte)(unsafe.Pointer(&start)) // an address in this binary's text, which never moves
	code := unsafe.Slice(text, end-start)
	return elf(machines[runtime.GOARCH], code), nil
}

// elf wraps position-independent code into a static executable, see elf(5).
func elf(machine uint16, code []byte) []byte {
	size := uint64(initHeader + len(code))
	b := make([]byte, 0, size)
	le := binary.LittleEndian
	b = append(b, 0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = le.AppendUint16(b, 2) // ET_EXEC
	b = le.AppendUint16(b, machine)
	b = le.AppendUint32(b, 1)
	b = le.AppendUint64(b, initBase+initHeader) // entry
	b = le.AppendUint64(b, 64)                  // program headers
	b = le.AppendUint64(b, 0)                   // section headers
	b = le.AppendUint32(b, 0)
	b = le.AppendUint16(b, 64)
	b = le.AppendUint16(b, 56)
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, 0)
	b = le.AppendUint16(b, 0)
	b = le.AppendUint16(b, 0)
	b = segment(b, 1, 5, initBase, size) // PT_LOAD, read and execute
	b = segment(b, 0x6474e551, 6, 0, 0)  // PT_GNU_STACK, not executable
	return append(b, code...)
}

func segment(b []byte, kind, flags uint32, addr, size uint64) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, kind)
	b = le.AppendUint32(b, flags)
	b = le.AppendUint64(b, 0)
	b = le.AppendUint64(b, addr)
	b = le.AppendUint64(b, addr)
	b = le.AppendUint64(b, size)
	b = le.AppendUint64(b, size)
	return le.AppendUint64(b, 0x10000) // the largest page of both architectures
}
