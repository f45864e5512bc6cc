package decide

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/bulkhead-dev/bulkhead/event"
)

// A decision that carries more than inlineBudget bytes inline sends bodies
// above smallBody to blobs, so that a thousand messages just under
// event.MaxInline do not end up in every later commit of the state.
const (
	inlineBudget = 256 << 10
	smallBody    = 1 << 10
)

// keep returns a body as it may be committed: in canonical form, and as a
// blob when it is too large to travel inline.
func (f *fold) keep(b event.Body) event.Body {
	if b.Ref != nil || len(b.Inline) == 0 {
		return b
	}
	raw := canonical(b.Inline)
	limit := event.MaxInline
	if f.inline+len(raw) > inlineBudget {
		limit = smallBody
	}
	if len(raw) <= limit {
		f.inline += len(raw)
		return event.Body{Inline: raw}
	}

	sum := sha256.Sum256(raw)
	ref := event.BlobRef{Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(raw)), Type: event.JSONType}
	f.out.Blobs = append(f.out.Blobs, Blob{Ref: ref, Bytes: raw})
	return event.Body{Ref: &ref}
}

// canonical writes JSON as json.Marshal would write it inside a larger value,
// so that the bytes are the same before and after a reload of the state.
func canonical(raw json.RawMessage) json.RawMessage {
	out, err := json.Marshal(raw)
	if err != nil {
		// Outcomes are checked at the door; what is not JSON travels as a string.
		out, _ = json.Marshal(strings.ToValidUTF8(string(raw), "\uFFFD"))
	}
	return out
}

// content returns the JSON of a body. It records a need and returns null when
// the bytes are in a blob that the input does not hold.
func (f *fold) content(b event.Body) json.RawMessage {
	if b.Ref == nil {
		if len(b.Inline) == 0 {
			return json.RawMessage("null")
		}
		return b.Inline
	}
	raw, ok := f.blob(b.Ref.Digest)
	if !ok {
		f.need = append(f.need, *b.Ref)
		return json.RawMessage("null")
	}
	if b.Ref.Type == event.JSONType && json.Valid(raw) {
		return raw
	}
	return event.Binary(raw, b.Ref.Type)
}

// blob finds the bytes of a blob: given with the input, or made just now.
func (f *fold) blob(digest string) ([]byte, bool) {
	for _, b := range f.out.Blobs {
		if b.Ref.Digest == digest {
			return b.Bytes, true
		}
	}
	raw, ok := f.in.Blobs[digest]
	return raw, ok
}
