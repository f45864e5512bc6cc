package main

import (
	"bytes"
	"errors"
	"io"
	"os"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// maxSpool is how much output a spool keeps in memory, in bytes.
const maxSpool = 1 << 20

// spool keeps output until it may be printed. While this process holds a
// state folder for a moment it must not wait for the reader of its output,
// which may be a pager: others wait for the folder.
type spool struct {
	start bytes.Buffer
	rest  *os.File // what did not fit; nil: everything did
}

// Write keeps more output.
func (s *spool) Write(p []byte) (int, error) {
	if s.rest == nil && s.start.Len()+len(p) <= maxSpool {
		return s.start.Write(p)
	}
	if s.rest == nil {
		f, err := os.CreateTemp("", "bulkhead-output-")
		if err != nil {
			return 0, err
		}
		s.rest = f
		if err := os.Remove(f.Name()); err != nil {
			return 0, err
		}
	}
	return s.rest.Write(p)
}

// flush prints what was kept.
func (s *spool) flush(to io.Writer) error {
	_, err := s.start.WriteTo(to)
	if s.rest == nil {
		return outputError(err)
	}
	defer s.rest.Close()
	if _, err := s.rest.Seek(0, io.SeekStart); err != nil {
		return fault.Newf(fault.Unavailable, "read kept output: %w", err)
	}
	_, restErr := io.Copy(to, s.rest)
	return outputError(errors.Join(err, restErr))
}
