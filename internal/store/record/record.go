// Package record is how jobs are written down: a compact binary form with a
// format number in front and a CRC32C behind, for the drivers that keep bytes.
//
// The checksum covers the key under which a record is kept as well, so that a
// record that turns up in another place is as corrupt as a flipped bit.
package record

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// Format is the number of the form that this build writes, in the first byte
// of every record.
const Format = 1

const sumSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// begin opens a record at the end of dst.
func begin(dst []byte) []byte { return append(dst, Format) }

// seal closes the record that starts at dst[start].
func seal(dst []byte, start int, key []byte) []byte {
	return binary.LittleEndian.AppendUint32(dst, checksum(key, dst[start:]))
}

func checksum(key, body []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, body)
}

// open checks a record's checksum and format and returns a reader over the rest.
func open(key, rec []byte) (reader, error) {
	if len(rec) < 1+sumSize {
		return reader{}, fault.Newf(fault.Corrupt, "record %q: %d bytes are too few", key, len(rec))
	}
	body, tail := rec[:len(rec)-sumSize], rec[len(rec)-sumSize:]
	if binary.LittleEndian.Uint32(tail) != checksum(key, body) {
		return reader{}, fault.Newf(fault.Corrupt, "record %q: wrong checksum", key)
	}
	if body[0] != Format {
		return reader{}, fault.Newf(fault.Corrupt, "record %q: format %d is unknown, this version reads %d", key, body[0], Format)
	}
	return reader{rest: body[1:]}, nil
}

// reader takes fields from the front. After the first field that is not
// there, every further one is zero and ok is false.
type reader struct {
	rest []byte
	bad  bool
}

// done is the verdict at the end: nothing missing, nothing left.
func (r *reader) done(key []byte) error {
	if r.bad || len(r.rest) > 0 {
		return fault.Newf(fault.Corrupt, "record %q: its fields do not fit", key)
	}
	return nil
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	return take(r, v, n)
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	return take(r, v, n)
}

func take[T uint64 | int64](r *reader, v T, n int) T {
	if n <= 0 || r.bad {
		r.bad = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// bytes returns a part of the record itself, not a copy.
func (r *reader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.bad = true
		return nil
	}
	return r.fixed(int(n))
}

func (r *reader) fixed(n int) []byte {
	if r.bad || n > len(r.rest) {
		r.bad = true
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) string() string { return string(r.bytes()) }

func (r *reader) time() time.Time {
	sec, nsec := r.varint(), r.uvarint()
	if nsec >= uint64(time.Second) {
		r.bad = true
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).UTC()
}

func appendBytes[T ~string | ~[]byte](dst []byte, s T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendTime(dst []byte, t time.Time) []byte {
	dst = binary.AppendVarint(dst, t.Unix())
	return binary.AppendUvarint(dst, uint64(t.Nanosecond()))
}
