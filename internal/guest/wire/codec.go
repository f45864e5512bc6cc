//go:build linux

package wire

import "encoding/binary"

// Message is a payload. Fields names each field to the codec once, in the
// order of the wire; the codec reads or writes them.
type Message interface {
	Fields(c *Codec)
}

// Codec reads or writes the fields of a message. After the first mistake it
// does nothing more, and the error is returned by Encode or Parse.
type Codec struct {
	b     []byte
	write bool
	err   error
}

// Encode appends m to b. It fails with fault.Corrupt when a field is larger
// than the protocol allows: such a message must not be sent.
func Encode(b []byte, m Message) ([]byte, error) {
	c := Codec{b: b, write: true}
	m.Fields(&c)
	return c.b, c.err
}

// Parse reads m from b, which must hold it and nothing else. It fails with
// fault.Corrupt.
func Parse(b []byte, m Message) error {
	c := Codec{b: b}
	m.Fields(&c)
	if c.err == nil && len(c.b) != 0 {
		c.fail("%d bytes after the message", len(c.b))
	}
	return c.err
}

func (c *Codec) fail(format string, args ...any) {
	if c.err == nil {
		c.err = broken(format, args...)
	}
}

// take returns the next n bytes, or nil when the message is too short.
func (c *Codec) take(n int) []byte {
	if c.err != nil {
		return nil
	}
	if n > len(c.b) {
		c.fail("message cut short")
		return nil
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

// U8 is one byte.
func (c *Codec) U8(v *uint8) {
	if c.write {
		c.b = append(c.b, *v)
	} else if b := c.take(1); b != nil {
		*v = b[0]
	}
}

// Bool is a byte that is 0 or 1.
func (c *Codec) Bool(v *bool) {
	var n uint8
	if *v {
		n = 1
	}
	c.U8(&n)
	if n > 1 {
		c.fail("%d is no truth value", n)
	}
	*v = n == 1
}

// U16 is two bytes.
func (c *Codec) U16(v *uint16) {
	if c.write {
		c.b = binary.LittleEndian.AppendUint16(c.b, *v)
	} else if b := c.take(2); b != nil {
		*v = binary.LittleEndian.Uint16(b)
	}
}

// U32 is four bytes.
func (c *Codec) U32(v *uint32) {
	if c.write {
		c.b = binary.LittleEndian.AppendUint32(c.b, *v)
	} else if b := c.take(4); b != nil {
		*v = binary.LittleEndian.Uint32(b)
	}
}

// U64 is eight bytes.
func (c *Codec) U64(v *uint64) {
	if c.write {
		c.b = binary.LittleEndian.AppendUint64(c.b, *v)
	} else if b := c.take(8); b != nil {
		*v = binary.LittleEndian.Uint64(b)
	}
}

// Count is eight bytes that hold a number from 0 to 2⁶³-1.
func (c *Codec) Count(v *int64) {
	n := uint64(*v)
	c.U64(&n)
	if int64(n) < 0 {
		c.fail("a count below zero")
		return
	}
	*v = int64(n)
}

// I64 is eight bytes with a sign.
func (c *Codec) I64(v *int64) {
	n := uint64(*v)
	c.U64(&n)
	*v = int64(n)
}

// Bytes is a length and so many bytes, at most limit. Read bytes are a copy.
func (c *Codec) Bytes(v *[]byte, limit int) {
	n, ok := c.length(len(*v), limit)
	switch {
	case !ok:
	case c.write:
		c.b = append(c.b, *v...)
	default:
		if b := c.take(n); b != nil {
			*v = append([]byte(nil), b...)
		}
	}
}

// Str is a length and so many bytes without NUL, at most limit.
func (c *Codec) Str(v *string, limit int) {
	n, ok := c.length(len(*v), limit)
	switch {
	case !ok:
	case c.write:
		c.b = append(c.b, *v...)
	default:
		if b := c.take(n); b != nil {
			*v = string(b)
		}
	}
	for i := range len(*v) {
		if (*v)[i] == 0 {
			c.fail("a string with a NUL byte")
			return
		}
	}
}

// Strs is a number of strings, each at most limit long.
func (c *Codec) Strs(v *[]string, most, limit int) {
	n, ok := c.length(len(*v), most)
	if !ok {
		return
	}
	if !c.write {
		if n > len(c.b)/4 { // each takes four bytes at least
			c.fail("%d strings in %d bytes", n, len(c.b))
			return
		}
		*v = make([]string, n)
	}
	for i := range *v {
		c.Str(&(*v)[i], limit)
	}
}

// List is a number of messages; size is the least that one takes on the wire.
func List[T any, P interface {
	*T
	Message
}](c *Codec, v *[]T, most, size int) {
	n, ok := c.length(len(*v), most)
	if !ok {
		return
	}
	if !c.write {
		if n > len(c.b)/size {
			c.fail("%d items in %d bytes", n, len(c.b))
			return
		}
		*v = make([]T, n)
	}
	for i := range *v {
		P(&(*v)[i]).Fields(c)
	}
}

// length is a number of bytes or items.
func (c *Codec) length(n, limit int) (int, bool) {
	size := uint32(min(n, 1<<31))
	c.U32(&size)
	if c.err == nil && uint64(size) > uint64(limit) {
		c.fail("%d bytes or items; the limit is %d", size, limit)
	}
	return int(size), c.err == nil
}
