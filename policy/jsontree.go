package policy

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// jsonTree turns valid JSON into the tree that YAML would give, with lines
// and columns.
func jsonTree(data []byte) *yaml.Node {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	b := &jsonBuilder{data: data, decoder: d, line: 1, column: 1}
	return b.next()
}

// jsonBuilder walks the tokens of valid JSON.
type jsonBuilder struct {
	data    []byte
	decoder *json.Decoder

	offset       int // line and column belong to this place
	line, column int
}

// next reads one value.
func (b *jsonBuilder) next() *yaml.Node {
	b.advance()
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: b.line, Column: b.column}
	token, _ := b.decoder.Token() // the text is valid: there is no error

	switch t := token.(type) {
	case json.Delim:
		n.Kind, n.Tag = yaml.MappingNode, "!!map"
		if t == '[' {
			n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
		}
		for b.decoder.More() {
			n.Content = append(n.Content, b.next())
		}
		_, _ = b.decoder.Token() // the closing bracket
	case string:
		n.Tag, n.Value = "!!str", t
	case json.Number:
		n.Tag, n.Value = numberTag(t.String()), t.String()
	case bool:
		n.Tag, n.Value = "!!bool", "false"
		if t {
			n.Value = "true"
		}
	default:
		n.Tag, n.Value = "!!null", "null"
	}
	return n
}

// numberTag tells whole numbers from others.
func numberTag(s string) string {
	if strings.ContainsAny(s, ".eE") {
		return "!!float"
	}
	return "!!int"
}

// advance moves line and column to where the next token begins.
func (b *jsonBuilder) advance() {
	for b.offset < len(b.data) {
		r, size := utf8.DecodeRune(b.data[b.offset:])
		if b.offset >= int(b.decoder.InputOffset()) && !strings.ContainsRune(" \t\r\n,:", r) {
			return
		}
		b.offset += size
		b.column++
		if r == '\n' {
			b.line, b.column = b.line+1, 1
		}
	}
}
