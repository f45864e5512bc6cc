package pebble

import (
	"bytes"
	"io"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/store"
)

// names is a file with the id of every job, one a line, beside the database.
// It is only a hint and never synced: when a whole table cannot be read, it
// says which jobs were in it.
type names struct {
	files vfs.FS
	path  string

	mu   sync.Mutex // guards below
	file vfs.File   // nil: not open for writing
	end  int64
}

// open makes the file ready for appending. Without it naming jobs is less
// exact, and nothing else.
func (n *names) open() {
	n.mu.Lock()
	defer n.mu.Unlock()
	f, err := n.files.OpenReadWrite(n.path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return
	}
	n.file, n.end = f, info.Size()
}

// add appends new jobs.
func (n *names) add(jobs []event.JobID) {
	if len(jobs) == 0 {
		return
	}
	var text []byte
	for _, job := range jobs {
		text = append(append(text, job...), '\n')
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.file == nil {
		return
	}
	written, _ := n.file.WriteAt(text, n.end) // a hint: the rest follows after a newline or is lost
	n.end += int64(written)
}

// each calls f for every job in the file. Lines that are no id are skipped.
func (n *names) each(f func(event.JobID)) {
	r, err := n.files.Open(n.path)
	if err != nil {
		return
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		return
	}
	for line := range bytes.SplitSeq(text, []byte{'\n'}) {
		if job := event.JobID(line); store.CheckJobID(job) == nil {
			f(job)
		}
	}
}

func (n *names) close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.file == nil {
		return nil
	}
	err := n.file.Close()
	n.file = nil
	return err
}
