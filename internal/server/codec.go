package server

import (
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
)

// codecs are the names under which clients ask for JSON.
var codecs = []codec{{"json"}, {"json; charset=utf-8"}}

// codec makes the socket speak the same JSON as the CLI.
type codec struct{ name string }

// Name is the codec's content subtype.
func (c codec) Name() string { return c.name }

// Marshal is JSON for any proto message.
func (codec) Marshal(m any) ([]byte, error) { return wire.JSON(m.(proto.Message)) }

// Unmarshal reads a message and ignores keys of newer clients.
func (codec) Unmarshal(data []byte, m any) error {
	if len(data) == 0 {
		data = []byte("{}")
	}
	return protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(data, m.(proto.Message))
}

// MarshalAppend appends the JSON of a message to a buffer.
func (c codec) MarshalAppend(b []byte, m any) ([]byte, error) {
	out, err := c.Marshal(m)
	return append(b, out...), err
}

// MarshalStable is Marshal: the form is stable already.
func (c codec) MarshalStable(m any) ([]byte, error) { return c.Marshal(m) }

// IsBinary says that the form is text.
func (codec) IsBinary() bool { return false }
