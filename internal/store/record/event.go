package record

import (
	"encoding/binary"
	"slices"

	"github.com/bulkhead-dev/bulkhead/event"
)

// Event is an event with what the commit that wrote it adds.
type Event struct {
	event.Event                 // Job and Seq come from the key
	Command     event.CommandID // the transition that wrote it
	Owner       event.Epoch     // the transition's epoch
}

// AppendEvent appends the record of an event that will be kept under key.
func AppendEvent(dst, key []byte, e *Event) []byte {
	start := len(dst)
	dst = begin(dst)
	dst = append(dst, e.Command[:]...)
	dst = binary.AppendUvarint(dst, uint64(e.Owner))
	dst = binary.AppendUvarint(dst, uint64(e.V))
	dst = appendTime(dst, e.Time)
	dst = appendBytes(dst, e.Kind)
	dst = appendBytes(dst, e.Actor)
	dst = binary.AppendUvarint(dst, uint64(e.Cause))
	dst = appendBytes(dst, e.Node)
	dst = appendBytes(dst, e.Edge)
	dst = appendBytes(dst, e.Message)
	dst = binary.AppendUvarint(dst, uint64(e.Attempt))
	dst = binary.AppendUvarint(dst, uint64(e.Epoch))
	dst = appendBytes(dst, e.Name)
	dst = appendBytes(dst, e.Reason)
	dst = appendBody(dst, e.Data)
	return seal(dst, start, key)
}

// DecodeEvent reads the record of an event. The result shares no memory with
// rec. The error is fault.Corrupt.
func DecodeEvent(key, rec []byte, job event.JobID, seq event.Seq) (Event, error) {
	r, err := open(key, rec)
	if err != nil {
		return Event{}, err
	}

	e := Event{Event: event.Event{Job: job, Seq: seq}}
	copy(e.Command[:], r.fixed(len(e.Command)))
	e.Owner = event.Epoch(r.uvarint())
	e.V = int(r.uvarint())
	e.Time = r.time()
	e.Kind = event.Kind(r.string())
	e.Actor = r.string()
	e.Cause = event.Seq(r.uvarint())
	e.Node = event.NodeID(r.string())
	e.Edge = event.EdgeID(r.string())
	e.Message = event.MessageID(r.string())
	e.Attempt = int(r.uvarint())
	e.Epoch = event.Epoch(r.uvarint())
	e.Name = r.string()
	e.Reason = r.string()
	e.Data = r.body()
	return e, r.done(key)
}

// What a body holds, one bit each.
const (
	bodyGiven  = 1
	bodyInline = 2
	bodyRef    = 4
)

func appendBody(dst []byte, b *event.Body) []byte {
	if b == nil {
		return append(dst, 0)
	}
	at := len(dst)
	dst = append(dst, bodyGiven)
	if len(b.Inline) > 0 {
		dst[at] |= bodyInline
		dst = appendBytes(dst, b.Inline)
	}
	if b.Ref != nil {
		dst[at] |= bodyRef
		dst = appendBytes(dst, b.Ref.Digest)
		dst = binary.AppendVarint(dst, b.Ref.Size)
		dst = appendBytes(dst, b.Ref.Type)
	}
	return dst
}

func (r *reader) body() *event.Body {
	tag := r.uvarint()
	if tag&bodyGiven == 0 {
		r.bad = r.bad || tag != 0
		return nil
	}
	b := &event.Body{}
	if tag&bodyInline != 0 {
		b.Inline = slices.Clone(r.bytes())
	}
	if tag&bodyRef != 0 {
		b.Ref = &event.BlobRef{Digest: r.string(), Size: r.varint(), Type: r.string()}
	}
	r.bad = r.bad || tag > bodyGiven|bodyInline|bodyRef
	return b
}
