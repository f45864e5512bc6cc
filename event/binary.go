package event

import (
	"encoding/base64"
	"encoding/json"
)

// JSONType is the media type of bodies that are JSON.
const JSONType = "application/json"

// Binary is the JSON form of bytes that are not JSON:
// {"body_base64": …, "content_type": …}.
func Binary(raw []byte, mediaType string) json.RawMessage {
	out, err := json.Marshal(struct {
		Body string `json:"body_base64"`
		Type string `json:"content_type"`
	}{base64.StdEncoding.EncodeToString(raw), mediaType})
	if err != nil {
		panic(err) // two strings are always JSON
	}
	return out
}
