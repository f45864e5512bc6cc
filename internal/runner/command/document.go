package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// The bounds of a JSON document from a worker.
const (
	maxDepth  = 64
	maxTokens = 4 << 20
)

// found is what stdout holds.
type found struct {
	object []byte // the JSON object that counts; nil: there is none
	rest   int    // bytes around it that are not white space
}

// find looks for the JSON object in a worker's output: the whole of it, or
// the last line that is one.
func find(stdout []byte) found {
	all := bytes.TrimSpace(stdout)
	if isObject(all) {
		return found{object: all}
	}
	for end := len(all); end > 0; {
		begin := bytes.LastIndexByte(all[:end], '\n') + 1
		if line := bytes.TrimSpace(all[begin:end]); isObject(line) {
			rest := len(bytes.TrimSpace(all[:begin])) + len(bytes.TrimSpace(all[end:]))
			return found{object: line, rest: rest}
		}
		end = max(0, begin-1)
	}
	return found{rest: len(all)}
}

// isObject reports whether bytes are one JSON object by its grammar.
func isObject(b []byte) bool {
	return len(b) > 1 && b[0] == '{' && b[len(b)-1] == '}' && json.Valid(b)
}

// strict refuses what two readers could read differently, and what is too
// deep to be read at all: invalid UTF-8, repeated keys, nesting.
func strict(raw []byte) error {
	if !utf8.Valid(raw) {
		return errors.New("it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var open []map[string]bool // keys of the open objects; nil for an array
	name := false              // the next string is a key
	for n := 0; ; n++ {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if n > maxTokens {
			return fmt.Errorf("it has more than %d parts", maxTokens)
		}

		switch t {
		case json.Delim('{'):
			open = append(open, map[string]bool{})
		case json.Delim('['):
			open = append(open, nil)
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		default:
			if key, ok := t.(string); ok && name {
				if open[len(open)-1][key] {
					return fmt.Errorf("the key %q is repeated", clip(key, 64))
				}
				open[len(open)-1][key] = true
				name = false
				continue
			}
		}
		if len(open) > maxDepth {
			return fmt.Errorf("it is nested deeper than %d", maxDepth)
		}
		name = len(open) > 0 && open[len(open)-1] != nil
	}
}

// member is a key of an object with its value.
type member struct {
	key   string
	value json.RawMessage
}

// members lists the members of an object in their order.
func members(object []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("it is not an object")
	}
	var out []member
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, ok := t.(string)
		if !ok {
			return nil, errors.New("a key is not a string")
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		out = append(out, member{key, value})
	}
	return out, nil
}

// object writes members as an object again.
func object(ms []member) json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range ms {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(m.key)
		if err != nil {
			panic(err) // a string is always JSON
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(m.value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// isNull reports whether a value is JSON null, which stands for "not given".
func isNull(raw json.RawMessage) bool { return bytes.Equal(bytes.TrimSpace(raw), []byte("null")) }
