package decide

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/event"
)

// seenWindow is how many of the latest message ids a job remembers. Ids are
// hashes of what caused them and a cause is consumed under its epoch, so only
// a sender outside the engine could repeat an older one.
const seenWindow = 256

// messageID is the hash of what caused a message: the input message, the node
// that sent it, the edge and the index among the node's outputs.
func messageID(input event.MessageID, node event.NodeID, edge event.EdgeID, index int) event.MessageID {
	return event.MessageID(hash(string(input), string(node), string(edge), string(binary.AppendUvarint(nil, uint64(index)))))
}

// hash is 16 bytes of SHA-256 over length-prefixed parts, in hex.
func hash(parts ...string) string {
	var b []byte
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// sum is the hash of everything that a message says.
func sum(m event.Message) string {
	body := string(m.Body.Inline)
	if m.Body.Ref != nil {
		body = m.Body.Ref.Digest
	}
	return hash(string(m.To), string(m.From), m.Type, m.Correlation, body)
}

// seen is what the job knows about a message.
type seen int

const (
	unseen  seen = iota
	repeat       // the same message came before
	forgery      // the id came before with other bytes
)

// remember records a message id and says whether it came before.
func (f *fold) remember(m event.Message) seen {
	entry := string(m.ID) + " " + sum(m)
	at := slices.IndexFunc(f.s.Seen, func(s string) bool { return strings.HasPrefix(s, string(m.ID)+" ") })
	switch {
	case at >= 0 && f.s.Seen[at] == entry:
		return repeat
	case at >= 0:
		return forgery
	}

	f.s.Seen = append(f.s.Seen, entry)
	if n := len(f.s.Seen) - seenWindow; n > 0 {
		f.s.Seen = slices.Delete(f.s.Seen, 0, n)
	}
	return unseen
}
