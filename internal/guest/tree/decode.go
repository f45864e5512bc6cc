//go:build linux

package tree

import (
	"bufio"
	"encoding/binary"
	"io"
	"strings"
)

// record is one record of a stream.
type record struct {
	kind   byte
	name   string
	mode   uint32
	mtime  int64
	size   int64
	target string
	sum    Sum // of the end
}

// decoder reads records and trusts none of them.
type decoder struct {
	r *bufio.Reader
}

// start reads the magic.
func (d *decoder) start() error {
	b := make([]byte, len(magic))
	if _, err := io.ReadFull(d.r, b); err != nil {
		return cut(err)
	}
	if string(b) != magic {
		return damaged("the stream is not a tree")
	}
	return nil
}

// next reads one record. The bytes of a file come after its record.
func (d *decoder) next() (record, error) {
	k, err := d.r.ReadByte()
	if err != nil {
		return record{}, cut(err)
	}
	rec := record{kind: k}
	switch k {
	case kindDir:
		err = d.fields(&rec, d.name, d.stat)
	case kindFile:
		err = d.fields(&rec, d.name, d.stat, d.size)
	case kindLink:
		err = d.fields(&rec, d.name, d.target)
	case kindEnd:
		err = d.fields(&rec, d.sums)
	case kindUp:
	default:
		err = damaged("record of kind %d", k)
	}
	return rec, err
}

func (d *decoder) fields(rec *record, parts ...func(*record) error) error {
	for _, part := range parts {
		if err := part(rec); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) name(rec *record) (err error) {
	rec.name, err = d.text(maxName)
	if err == nil && (rec.name == "." || rec.name == ".." || strings.Contains(rec.name, "/")) {
		return damaged("%q is not the name of a file", rec.name)
	}
	return err
}

func (d *decoder) target(rec *record) (err error) {
	rec.target, err = d.text(maxTarget)
	return err
}

func (d *decoder) stat(rec *record) error {
	var b [12]byte
	if _, err := io.ReadFull(d.r, b[:]); err != nil {
		return cut(err)
	}
	rec.mode = binary.LittleEndian.Uint32(b[:])
	rec.mtime = int64(binary.LittleEndian.Uint64(b[4:]))
	if rec.mode&^0o777 != 0 {
		return damaged("mode %#o", rec.mode)
	}
	return nil
}

func (d *decoder) size(rec *record) (err error) {
	rec.size, err = d.count()
	return err
}

func (d *decoder) sums(rec *record) (err error) {
	if rec.sum.Entries, err = d.count(); err == nil {
		rec.sum.Bytes, err = d.count()
	}
	return err
}

func (d *decoder) count() (int64, error) {
	var b [8]byte
	if _, err := io.ReadFull(d.r, b[:]); err != nil {
		return 0, cut(err)
	}
	n := int64(binary.LittleEndian.Uint64(b[:]))
	if n < 0 {
		return 0, damaged("a number below zero")
	}
	return n, nil
}

// text reads a string that is not empty and has no NUL.
func (d *decoder) text(limit int) (string, error) {
	var b [2]byte
	if _, err := io.ReadFull(d.r, b[:]); err != nil {
		return "", cut(err)
	}
	n := int(binary.LittleEndian.Uint16(b[:]))
	if n == 0 || n > limit {
		return "", damaged("a string of %d bytes", n)
	}
	s := make([]byte, n)
	if _, err := io.ReadFull(d.r, s); err != nil {
		return "", cut(err)
	}
	if strings.IndexByte(string(s), 0) >= 0 {
		return "", damaged("a string with a NUL byte")
	}
	return string(s), nil
}

// cut says that a stream ended too early; other errors stay what they are.
func cut(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return damaged("the stream is cut short")
	}
	return err
}
