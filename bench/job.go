package main

import (
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// benchJob compares a durable job of one node with what the disk can do.
func benchJob(w io.Writer, o options) error {
	bare, err := appendAndSync(o.dir)
	if err != nil {
		return err
	}
	rows, err := interleave(max(o.n, 200), []variant{{"write 256 bytes and sync, bare", bare}})
	if err != nil {
		return err
	}
	table(w, rows)
	return nil
}

// appendAndSync writes a small record at the end of a file and waits until it
// is on the disk: the least that any durable step costs there.
func appendAndSync(dir string) (func() error, error) {
	f, err := os.OpenFile(filepath.Join(dir, "bare"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	record := make([]byte, 256)
	return func() error {
		if _, err := f.Write(record); err != nil {
			return err
		}
		return unix.Fdatasync(int(f.Fd()))
	}, nil
}
