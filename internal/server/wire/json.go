package wire

import (
	"bytes"
	"encoding/json"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// options print every field under its proto name, so that a reader of the
// JSON never has to know the defaults.
var options = protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}

// JSON is the one JSON form of a message: proto field names, defaults
// present, one line, the same bytes for the same message.
func JSON(m proto.Message) ([]byte, error) {
	raw, err := options.Marshal(m)
	if err != nil {
		return nil, err
	}

	// protojson adds random spaces so that nobody relies on its bytes.
	var out bytes.Buffer
	if err := json.Compact(&out, raw); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// FromJSON reads what JSON printed. Unknown keys are errors.
func FromJSON(data []byte, m proto.Message) error {
	return protojson.Unmarshal(data, m)
}
