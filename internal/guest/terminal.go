//go:build linux

package guest

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// TTY is the terminal of a command that was started with one: what is written
// is typed, what is read was printed. io.EOF comes when no process of the
// sandbox has it open any more. Closing it hangs up; Wait does not close it.
//
// What is read is the sandbox's: it may hold escape sequences that act on the
// terminal that shows it.
func (cmd *Cmd) TTY() io.ReadWriteCloser { return cmd.tty }

// Resize changes the size of the command's terminal and tells its foreground
// processes.
func (cmd *Cmd) Resize(ctx context.Context, s Size) error {
	t, ok := cmd.tty.(*fileTerminal)
	if ok {
		return t.resize(s)
	}
	if cmd.tty == nil {
		return fault.New(fault.Invalid, "the command has no terminal")
	}
	return cmd.client.ask(ctx, wire.KindResize, &wire.Resize{Exec: cmd.call.id, Rows: s.Rows, Cols: s.Cols}, &wire.Empty{})
}

// fileTerminal is a master that travelled.
type fileTerminal struct{ f *os.File }

func (t *fileTerminal) Write(p []byte) (int, error) { return t.f.Write(p) }

func (t *fileTerminal) Close() error { return t.f.Close() }

// Read tells the end of a terminal as an end: the kernel says EIO.
func (t *fileTerminal) Read(p []byte) (int, error) {
	n, err := t.f.Read(p)
	if errors.Is(err, unix.EIO) {
		err = io.EOF
	}
	return n, err
}

func (t *fileTerminal) resize(s Size) error {
	raw, err := t.f.SyscallConn()
	if err != nil {
		return fault.Newf(fault.Unavailable, "resize: %w", err)
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: s.Rows, Col: s.Cols})
	})
	if err = errors.Join(err, set); err != nil {
		return fault.Newf(fault.Unavailable, "resize: %w", err)
	}
	return nil
}

// openTerminal opens a framed terminal's streams; one that travels comes with
// the answer.
func (cmd *Cmd) openTerminal() error {
	if cmd.client.mux == nil {
		return nil
	}
	w, err := cmd.streams.writer(0)
	if err != nil {
		return err
	}
	r, err := cmd.streams.reader(1)
	if err != nil {
		return err
	}
	cmd.tty = &duplex{r, w}
	return nil
}

// duplex is two streams as one.
type duplex struct {
	io.ReadCloser
	w io.WriteCloser
}

func (d *duplex) Write(p []byte) (int, error) { return d.w.Write(p) }

// CloseWrite tells the other end that no more comes.
func (d *duplex) CloseWrite() error { return d.w.Close() }

// Close closes both directions.
func (d *duplex) Close() error { return errors.Join(d.w.Close(), d.ReadCloser.Close()) }
