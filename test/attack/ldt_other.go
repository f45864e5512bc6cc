//go:build linux && !amd64

package attack

import (
	"encoding/binary"
	"encoding/hex"
)

// modifyLDT is a call that only another architecture has.
const modifyLDT = 0

// modeOf is the field mode of struct stat.
func modeOf(dump string) uint32 {
	b, err := hex.DecodeString(dump)
	if err != nil || len(b) < 20 {
		return 0
	}
	return binary.LittleEndian.Uint32(b[16:])
}
