package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
)

// pipes are the three streams of a command: only pipes ever reach a sandbox,
// because a file or a folder as fd 0 to 2 is a way around every path rule.
type pipes struct {
	child  [3]*os.File
	parent [3]*os.File
	stdin  io.Reader
	stdout *sink
	stderr *sink
	group  sync.WaitGroup
}

func openPipes(streams IO, limit int64) (*pipes, error) {
	p := &pipes{
		stdin:  streams.Stdin,
		stdout: &sink{to: streams.Stdout, left: limit},
		stderr: &sink{to: streams.Stderr, left: limit},
	}
	for i := range p.child {
		r, w, err := os.Pipe()
		if err != nil {
			p.closeChild()
			p.abandon()
			return nil, fmt.Errorf("open pipe: %w", err)
		}
		if i == 0 {
			p.child[i], p.parent[i] = r, w
		} else {
			p.child[i], p.parent[i] = w, r
		}
	}
	return p, nil
}

// copy moves the streams in the background. stop is called when a stream
// exceeds its limit.
func (p *pipes) copy(stop func()) {
	if p.stdin == nil {
		p.parent[0].Close()
	} else {
		// Not waited for: a read from a terminal cannot be interrupted.
		go func() {
			_, _ = io.Copy(p.parent[0], p.stdin)
			p.parent[0].Close()
		}()
	}
	for i, s := range []*sink{p.stdout, p.stderr} {
		p.group.Go(func() { s.drain(p.parent[i+1], stop) })
	}
}

func (p *pipes) closeChild() {
	for _, f := range p.child {
		if f != nil {
			f.Close()
		}
	}
}

// abandon closes our ends when no command was started.
func (p *pipes) abandon() {
	for _, f := range p.parent {
		if f != nil {
			f.Close()
		}
	}
}

// wait returns when both output streams have ended.
func (p *pipes) wait() {
	p.group.Wait()
	p.parent[0].Close()
}

// sink takes one output stream up to a limit.
type sink struct {
	to   io.Writer // nil: keep
	kept bytes.Buffer
	left int64
	full atomic.Bool
}

// drain reads r to its end. What exceeds the limit is read and dropped, so
// that the writer is not blocked while it is being stopped.
func (s *sink) drain(r *os.File, stop func()) {
	defer r.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		s.take(buf[:n], stop)
		if err != nil {
			return
		}
	}
}

func (s *sink) take(b []byte, stop func()) {
	if int64(len(b)) > s.left {
		b = b[:s.left]
		if !s.full.Swap(true) {
			stop()
		}
	}
	s.left -= int64(len(b))
	if s.to == nil {
		s.kept.Write(b)
		return
	}
	if _, err := s.to.Write(b); err != nil {
		s.to = io.Discard // a reader that went away must not block the command
	}
}

func (s *sink) bytes() []byte { return s.kept.Bytes() }
func (s *sink) over() bool    { return s.full.Load() }
