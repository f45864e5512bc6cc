package keeper

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/sandbox/live"
)

// The kinds of log entries.
const (
	KindStart  = "start"  // text: the command
	KindStdout = "stdout" // text: a piece of its output
	KindStderr = "stderr"
	KindEnd    = "end" // text: how it ended
)

// Entry is one entry of a box's log.
type Entry struct {
	Time time.Time
	Exec int
	Kind string
	Text []byte
}

// maxLog is how many bytes of a box's log are kept; older ones are dropped.
const maxLog = 1 << 20

// overhead is what an entry costs beyond its text, about.
const overhead = 64

// log is what a box's commands have printed, the last of it.
type log struct {
	mu      sync.Mutex // guards below
	entries []Entry
	first   int // number of entries[0]
	size    int
	closed  bool
	changed chan struct{}
}

func newLog() *log { return &log{changed: make(chan struct{})} }

// add appends an entry and drops what is too much.
func (l *log) add(exec int, kind string, text []byte) {
	if len(text) > maxLog/4 {
		text = text[len(text)-maxLog/4:]
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, Entry{time.Now(), exec, kind, append([]byte(nil), text...)})
	l.size += len(text) + overhead
	for l.size > maxLog {
		l.size -= len(l.entries[0].Text) + overhead
		l.entries[0] = Entry{}
		l.entries = l.entries[1:]
		l.first++
	}
	l.tell()
}

// tell wakes the readers. The caller holds the lock.
func (l *log) tell() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// close ends the log: readers that follow are done.
func (l *log) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.tell()
}

// from returns the entries from a number on, and the number after them.
func (l *log) from(n int) (entries []Entry, next int, closed bool, changed chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n = max(n, l.first)
	entries = append(entries, l.entries[n-l.first:]...)
	return entries, n + len(entries), l.closed, l.changed
}

// read yields the entries of one command, or of all for 0; with follow also
// those that come, until the log is closed or ctx ends.
func (l *log) read(ctx context.Context, exec int, follow bool, yield func(Entry) error) error {
	for next := 0; ; {
		var entries []Entry
		var closed bool
		var changed chan struct{}
		entries, next, closed, changed = l.from(next)
		for _, e := range entries {
			if exec != 0 && e.Exec != exec {
				continue
			}
			if err := yield(e); err != nil {
				return err
			}
		}
		if !follow || closed {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// tee copies what is written to the log; to may be nil.
func (l *log) tee(exec int, kind string, to io.Writer) io.Writer {
	return &tee{log: l, exec: exec, kind: kind, to: to}
}

type tee struct {
	log  *log
	exec int
	kind string
	to   io.Writer
}

func (t *tee) Write(p []byte) (int, error) {
	t.log.add(t.exec, t.kind, p)
	if t.to == nil {
		return len(p), nil
	}
	return t.to.Write(p)
}

// ending is how a command ended, in words.
func ending(e live.Exit, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case e.NotRun != nil:
		return e.NotRun.Error()
	case e.TimedOut:
		return "out of time"
	case e.Limit != "":
		return e.Limit + " limit reached"
	case e.Signal != 0:
		return "signal: " + e.Signal.String()
	}
	return fmt.Sprintf("exit status %d", e.Code)
}
