//go:build linux

package guest

import (
	"io"
	"os"
	"sync"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// open opens the command's streams and says what will have to be copied.
func (cmd *Cmd) open() error {
	if cmd.Terminal != nil {
		return cmd.openTerminal()
	}
	if cmd.Stdin != nil {
		w, err := cmd.streams.writer(0)
		if err != nil {
			return err
		}
		cmd.after = append(cmd.after, w)
		if p, ok := cmd.Stdin.(*inPipe); ok {
			p.set(w)
		} else {
			cmd.attach = append(cmd.attach, func() { cmd.feed(w) })
		}
	}
	for i, out := range []io.Writer{cmd.Stdout, cmd.Stderr} {
		if out == nil || i == 1 && same(cmd.Stdout, cmd.Stderr) {
			continue
		}
		r, err := cmd.streams.reader(uint16(1 + i))
		if err != nil {
			return err
		}
		if p, ok := out.(*outPipe); ok {
			p.set(r)
			continue
		}
		cmd.after = append(cmd.after, r)
		cmd.copying++
		cmd.attach = append(cmd.attach, func() { cmd.collect(out, r) })
	}
	return nil
}

// feed copies stdin. It is not waited for: a read from a terminal of ours
// cannot be interrupted.
func (cmd *Cmd) feed(w io.WriteCloser) {
	go func() {
		_, _ = io.Copy(w, cmd.Stdin) // a command need not read all of its input
		_ = w.Close()
	}()
}

// collect copies one output stream. A writer that fails ends the copying and
// the stream, so that the command is not held up.
func (cmd *Cmd) collect(w io.Writer, r io.ReadCloser) {
	cmd.copies.Go(func() {
		_, err := io.Copy(&watched{w: w, cmd: cmd}, r)
		_ = err // the reader's end is the stream's end, however it came
		_ = r.Close()
	})
}

// watched remembers the error of a writer of ours.
type watched struct {
	w   io.Writer
	cmd *Cmd
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if err != nil {
		w.cmd.copyMu.Lock()
		if w.cmd.copyErr == nil {
			w.cmd.copyErr = fault.Newf(fault.Failed, "write output: %w", err)
		}
		w.cmd.copyMu.Unlock()
	}
	return n, err
}

// StdinPipe returns a pipe to the command's stdin. Closing it is its end; Wait
// closes it too. It is usable after Start.
func (cmd *Cmd) StdinPipe() io.WriteCloser {
	p := new(inPipe)
	cmd.Stdin = p
	return p
}

// StdoutPipe returns a pipe from the command's stdout, as fast as the kernel's
// own. It is usable after Start, and the caller's to close; Wait does not wait
// for it.
func (cmd *Cmd) StdoutPipe() io.ReadCloser {
	p := new(outPipe)
	cmd.Stdout = p
	return p
}

// StderrPipe is StdoutPipe for stderr.
func (cmd *Cmd) StderrPipe() io.ReadCloser {
	p := new(outPipe)
	cmd.Stderr = p
	return p
}

// inPipe is our end of a stdin that is given out before it exists.
type inPipe struct {
	mu sync.Mutex // guards below
	w  io.WriteCloser
}

func (p *inPipe) set(w io.WriteCloser) {
	p.mu.Lock()
	p.w = w
	p.mu.Unlock()
}

func (p *inPipe) get() (io.WriteCloser, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.w == nil {
		return nil, os.ErrClosed
	}
	return p.w, nil
}

// Read is never called: open knows the pipe by its type.
func (p *inPipe) Read([]byte) (int, error) { return 0, io.EOF }

func (p *inPipe) Write(b []byte) (int, error) {
	w, err := p.get()
	if err != nil {
		return 0, err
	}
	return w.Write(b)
}

func (p *inPipe) Close() error {
	w, err := p.get()
	if err != nil {
		return nil
	}
	return w.Close()
}

// outPipe is our end of an output that is given out before it exists.
type outPipe struct {
	mu sync.Mutex // guards below
	r  io.ReadCloser
}

func (p *outPipe) set(r io.ReadCloser) {
	p.mu.Lock()
	p.r = r
	p.mu.Unlock()
}

func (p *outPipe) get() (io.ReadCloser, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.r == nil {
		return nil, os.ErrClosed
	}
	return p.r, nil
}

// Write is never called: open knows the pipe by its type.
func (p *outPipe) Write([]byte) (int, error) { return 0, os.ErrClosed }

func (p *outPipe) Read(b []byte) (int, error) {
	r, err := p.get()
	if err != nil {
		return 0, err
	}
	return r.Read(b)
}

// WriteTo lets io.Copy use the kernel's shortcuts.
func (p *outPipe) WriteTo(w io.Writer) (int64, error) {
	r, err := p.get()
	if err != nil {
		return 0, err
	}
	return io.Copy(w, r)
}

func (p *outPipe) Close() error {
	r, err := p.get()
	if err != nil {
		return nil
	}
	return r.Close()
}
