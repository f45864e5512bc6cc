package service

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"
	"unicode/utf8"

	"github.com/bulkhead-dev/bulkhead/event"
)

// LogChunk is a piece of what a worker printed: hostile bytes.
type LogChunk struct {
	Node    event.NodeID
	Attempt int
	Stream  string // stdout, stderr
	Bytes   []byte
}

// LogQuery selects output of a job's attempts.
type LogQuery struct {
	Node    event.NodeID // empty: all
	Attempt int          // 0: all
	Follow  bool         // go on until the job is terminal
}

func (q LogQuery) selects(ev event.Event) bool {
	return (q.Node == "" || q.Node == ev.Node) && (q.Attempt == 0 || q.Attempt == ev.Attempt)
}

const (
	chunk  = 32 << 10               // bytes of one chunk at most
	glance = 200 * time.Millisecond // between looks at the output of running attempts
)

// streams are the log files of an attempt's folder, and what they are called.
var streams = []struct{ name, file string }{
	{"stdout", "stdout.log"},
	{"stderr", "stderr.log"},
}

// finished are the kinds of events after which an attempt prints no more.
var finished = map[event.Kind]bool{
	event.AttemptSucceeded: true,
	event.AttemptFailed:    true,
	event.AttemptLost:      true,
	event.AttemptReleased:  true,
}

// Logs yields what a job's attempts printed, attempt by attempt in the order
// in which they started; with follow, as it comes. It stops after the first
// error.
func (j *Jobs) Logs(ctx context.Context, id event.JobID, q LogQuery) iter.Seq2[LogChunk, error] {
	return func(yield func(LogChunk, error) bool) {
		if err := checkID(id); err != nil {
			yield(LogChunk{}, err)
			return
		}
		t := &tail{jobs: j, job: id, query: q, yield: yield}
		defer t.close()
		if err := t.run(ctx); err != nil && !errors.Is(err, errEnough) {
			yield(LogChunk{}, err)
		}
	}
}

// errEnough means that the reader of the chunks wants no more.
var errEnough = errors.New("enough")

// tail reads the logs of one job.
type tail struct {
	jobs  *Jobs
	job   event.JobID
	query LogQuery
	yield func(LogChunk, error) bool
	after event.Seq
	live  []*attemptLog // in the order of their start
}

// attemptLog is the open log of one attempt.
type attemptLog struct {
	start event.Event
	files []*os.File // as streams; nil: not there yet
	rests [][]byte   // the beginning of a rune whose end has not been written yet
	ended bool
}

// run reads events, and after each batch of them what the attempts printed.
func (t *tail) run(ctx context.Context) error {
	changed, stop := t.jobs.Store.Changed(t.job)
	defer stop()

	for {
		over, err := t.events(ctx)
		if err != nil {
			return err
		}
		if err := t.drain(!t.query.Follow || over); err != nil {
			return err
		}
		if over || !t.query.Follow {
			return nil
		}
		if err := t.wait(ctx, changed); err != nil {
			return err
		}
	}
}

// wait returns when something may have changed. Without a running attempt it
// sleeps until the log says so.
func (t *tail) wait(ctx context.Context, changed <-chan struct{}) error {
	var look <-chan time.Time
	if len(t.live) > 0 {
		timer := time.NewTimer(glance)
		defer timer.Stop()
		look = timer.C
	}
	select {
	case <-changed:
	case <-look:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// events notes which attempts started and ended since the last look.
func (t *tail) events(ctx context.Context) (over bool, err error) {
	for ev, err := range watch(ctx, t.jobs.Store, t.job, t.after, false) {
		if err != nil {
			return false, err
		}
		t.after, over = ev.Seq, over || ends[ev.Kind]
		if !t.query.selects(ev) {
			continue
		}
		if ev.Kind == event.AttemptStarted {
			t.live = append(t.live, &attemptLog{start: ev, files: make([]*os.File, len(streams)), rests: make([][]byte, len(streams))})
		}
		if finished[ev.Kind] {
			t.end(ev)
		}
	}
	if over {
		return true, nil
	}
	return ended(ctx, t.jobs.Store, t.job, t.after)
}

func (t *tail) end(ev event.Event) {
	for _, a := range t.live {
		if a.start.Node == ev.Node && a.start.Message == ev.Message && a.start.Epoch == ev.Epoch {
			a.ended = true
		}
	}
}

// drain yields what the attempts printed since the last look, and forgets
// those that have ended.
func (t *tail) drain(last bool) error {
	var live []*attemptLog
	for _, a := range t.live {
		if err := t.read(a, a.ended || last); err != nil {
			return err
		}
		if a.ended {
			a.close()
			continue
		}
		live = append(live, a)
	}
	t.live = live
	return nil
}

// read yields what one attempt printed since the last look.
func (t *tail) read(a *attemptLog, last bool) error {
	for i, s := range streams {
		if a.files[i] == nil {
			f, err := t.jobs.openLog(a.start, s.file)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			a.files[i] = f
		}
		if err := t.copy(a, i, last); err != nil {
			return err
		}
	}
	return nil
}

// copy yields the new bytes of one stream, cut between runes.
func (t *tail) copy(a *attemptLog, i int, last bool) error {
	for {
		buf := make([]byte, chunk)
		n := copy(buf, a.rests[i])
		m, err := a.files[i].Read(buf[n:])
		n += m
		eof := errors.Is(err, io.EOF)
		if err != nil && !eof {
			return err
		}

		whole := n
		if !(eof && last) {
			whole -= partialRune(buf[:n])
		}
		a.rests[i] = buf[whole:n]
		c := LogChunk{Node: a.start.Node, Attempt: a.start.Attempt, Stream: streams[i].name, Bytes: buf[:whole]}
		if whole > 0 && !t.yield(c, nil) {
			return errEnough
		}
		if eof {
			return nil
		}
	}
}

// openLog opens a log file of an attempt. No link in the state folder leads
// out of it.
func (j *Jobs) openLog(started event.Event, name string) (*os.File, error) {
	root, err := os.OpenRoot(j.State)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.Open(filepath.Join(j.Attempt(started), name))
}

// partialRune is how many bytes at the end begin a rune that is not complete.
func partialRune(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if tail := b[len(b)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

func (t *tail) close() {
	for _, a := range t.live {
		a.close()
	}
}

func (a *attemptLog) close() {
	for _, f := range a.files {
		if f != nil {
			_ = f.Close()
		}
	}
}
