//go:build linux

package wire

import "encoding/binary"

// A header is, in little endian:
//
//	0   u32  length of the payload
//	4   u8   kind
//	5   u8   number of descriptors
//	6   u16  index of the stream
//	8   u64  id of the request
type header struct {
	size  int
	kind  Kind
	fds   int
	index uint16
	id    uint64
}

func (h header) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(h.size))
	b = append(b, byte(h.kind), byte(h.fds))
	b = binary.LittleEndian.AppendUint16(b, h.index)
	return binary.LittleEndian.AppendUint64(b, h.id)
}

// parseHeader reads a header from the first HeaderSize bytes of b and checks
// it against the limit for payloads.
func parseHeader(b []byte, limit int) (header, error) {
	h := header{
		kind:  Kind(b[4]),
		fds:   int(b[5]),
		index: binary.LittleEndian.Uint16(b[6:]),
		id:    binary.LittleEndian.Uint64(b[8:]),
	}
	size := binary.LittleEndian.Uint32(b)
	switch {
	case !h.kind.Known():
		return h, broken("unknown frame kind %d", b[4])
	case h.kind == KindData && size > MaxData:
		return h, broken("data frame of %d bytes", size)
	case uint64(size) > uint64(limit):
		return h, broken("frame of %d bytes; the limit is %d", size, limit)
	case h.fds > MaxFDs:
		return h, broken("frame with %d descriptors", h.fds)
	case (h.id == 0) != (h.kind == KindHello):
		return h, broken("frame kind %d with id %d", h.kind, h.id)
	}
	h.size = int(size)
	return h, nil
}
