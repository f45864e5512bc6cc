package pebble

import (
	"encoding/binary"
	"hash/crc32"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// The form of Pebble's log (record/record.go there): blocks of 32 KiB that
// hold chunks; a header is a checksum, a length, an encoding, the log's
// number, and for the newest encodings how far the log was synced.
const (
	logBlock      = 32 << 10
	logNumberAt   = 7
	smallestChunk = 11
)

// chunkForms are the encodings of chunks that carry the log's number.
var chunkForms = map[byte]struct {
	header int
	starts bool // a record begins here
}{
	5: {11, true}, 6: {11, true}, 7: {11, false}, 8: {11, false},
	9: {19, true}, 10: {19, true}, 11: {19, false}, 12: {19, false},
}

// checkLog finds damage in the newest log that the database takes for its end.
// Pebble looks for records behind a bad chunk in later blocks only, so that a
// flipped bit in the last block would silently drop every record after it. We
// write a record only when the one before it is synced: whatever stands before
// a whole record had been acknowledged.
func checkLog(files vfs.FS, dir string) error {
	name, number := newestLog(files, dir)
	if name == "" {
		return nil
	}
	file := files.PathJoin(dir, name)
	content, err := readFile(files, file, 1<<30)
	if err != nil {
		return err
	}
	l := logScan{content: content, number: number}
	end := l.end()
	if next := l.recordAfter(end); next >= 0 {
		return fault.Newf(fault.Corrupt, "the log %s is damaged at byte %d: what was acknowledged goes on at byte %d", file, end, next).
			WithHint("nothing was changed; restore a copy of the folder")
	}
	return nil
}

// newestLog returns the file name and the number of the newest log.
func newestLog(files vfs.FS, dir string) (name string, number uint32) {
	names, err := files.List(dir)
	if err != nil {
		return "", 0
	}
	slices.Sort(names) // numbers have leading zeros
	for _, n := range slices.Backward(names) {
		digits, ok := strings.CutSuffix(path.Base(n), ".log")
		if v, err := strconv.ParseUint(digits, 10, 64); ok && err == nil {
			return n, uint32(v) // the log's own records hold the low half
		}
	}
	return "", 0
}

// logScan walks through a log.
type logScan struct {
	content []byte
	number  uint32
}

// end is where the chunks stop making sense, from the front.
func (l *logScan) end() int {
	for at := 0; at < len(l.content); {
		left := logBlock - at%logBlock
		if left < smallestChunk {
			at += left
			continue
		}
		size, _ := l.chunk(at)
		switch {
		case size > 0:
			at += size
		case left < 19 && allZero(l.content[at:min(at+left, len(l.content))]):
			at += left // the rest of a block, too small for a chunk
		default:
			return at
		}
	}
	return len(l.content)
}

// recordAfter is where a whole record begins behind a place; -1: nowhere.
func (l *logScan) recordAfter(at int) int {
	for at++; at+smallestChunk <= len(l.content); at++ {
		if size, starts := l.chunk(at); size > 0 && starts {
			return at
		}
	}
	return -1
}

// chunk returns the size of the valid chunk of this log at a place, and
// whether it begins a record; size 0: there is none.
func (l *logScan) chunk(at int) (size int, starts bool) {
	block := l.content[at:min(at+logBlock-at%logBlock, len(l.content))]
	if len(block) < smallestChunk {
		return 0, false
	}
	form, known := chunkForms[block[6]]
	if !known || binary.LittleEndian.Uint32(block[logNumberAt:]) != l.number {
		return 0, false
	}
	size = form.header + int(binary.LittleEndian.Uint16(block[4:]))
	if size > len(block) || binary.LittleEndian.Uint32(block) != logChecksum(block[6:size]) {
		return 0, false
	}
	return size, form.starts
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// logChecksum is a CRC-32C, turned so that data does not look like it.
func logChecksum(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

func allZero(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 })
}
