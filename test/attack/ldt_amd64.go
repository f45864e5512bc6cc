//go:build linux

package attack

import (
	"encoding/binary"
	"encoding/hex"

	"golang.org/x/sys/unix"
)

// modifyLDT is a call that only this architecture has.
const modifyLDT = unix.SYS_MODIFY_LDT

// modeOf is the field mode of struct stat.
func modeOf(dump string) uint32 {
	b, err := hex.DecodeString(dump)
	if err != nil || len(b) < 28 {
		return 0
	}
	return binary.LittleEndian.Uint32(b[24:])
}
