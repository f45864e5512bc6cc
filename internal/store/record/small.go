package record

import (
	"encoding/binary"
	"slices"

	"github.com/bulkhead-dev/bulkhead/event"
)

// AppendTimer appends the record of a timer that will be kept under key.
func AppendTimer(dst, key []byte, t *event.Timer) []byte {
	start := len(dst)
	dst = begin(dst)
	dst = appendBytes(dst, t.Key)
	dst = appendTime(dst, t.Due)
	dst = appendBytes(dst, t.Name)
	dst = appendBytes(dst, t.Node)
	return seal(dst, start, key)
}

// DecodeTimer reads the record of a timer. The error is fault.Corrupt.
func DecodeTimer(key, rec []byte) (event.Timer, error) {
	r, err := open(key, rec)
	if err != nil {
		return event.Timer{}, err
	}
	t := event.Timer{Key: r.string(), Due: r.time(), Name: r.string(), Node: event.NodeID(r.string())}
	return t, r.done(key)
}

// AppendPermit appends the record of a permit that will be kept under key.
func AppendPermit(dst, key []byte, p *event.Permit) []byte {
	start := len(dst)
	dst = begin(dst)
	dst = appendBytes(dst, p.Key)
	dst = appendBytes(dst, p.Holder)
	dst = binary.AppendVarint(dst, int64(p.Slots))
	return seal(dst, start, key)
}

// DecodePermit reads the record of a permit. The error is fault.Corrupt.
func DecodePermit(key, rec []byte) (event.Permit, error) {
	r, err := open(key, rec)
	if err != nil {
		return event.Permit{}, err
	}
	p := event.Permit{Key: r.string(), Holder: r.string(), Slots: int(r.varint())}
	return p, r.done(key)
}

// AppendOpaque appends the record of bytes that are only kept.
func AppendOpaque(dst, key, content []byte) []byte {
	start := len(dst)
	dst = begin(dst)
	dst = appendBytes(dst, content)
	return seal(dst, start, key)
}

// DecodeOpaque reads the record of bytes that are only kept. The result
// shares no memory with rec. The error is fault.Corrupt.
func DecodeOpaque(key, rec []byte) ([]byte, error) {
	r, err := open(key, rec)
	if err != nil {
		return nil, err
	}
	content := slices.Clone(r.bytes())
	return content, r.done(key)
}
