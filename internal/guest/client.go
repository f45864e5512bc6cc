//go:build linux

// Package guest is the host's end of a live sandbox: it runs commands, moves
// files and forwards ports through the sandbox's first process.
//
// What the other end sends is hostile: the code that it runs beside may have
// taken it over. Every number, name and descriptor is checked, a breach of the
// protocol ends the session, and whatever waits for an answer ends with its
// context.
package guest

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest/flow"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// Options of a session. The zero Options are usable.
type Options struct {
	// FilterKey are the arguments that let init load a filter; see
	// docs/guest.md. Zero where every process may load filters.
	FilterKey [2]uint64
}

// Client is a session with one sandbox. It is safe for concurrent use.
type Client struct {
	conn *wire.Conn
	mux  *flow.Mux // nil when descriptors travel
	dead chan struct{}

	mu    sync.Mutex // guards below
	calls map[uint64]*call
	next  uint64
	quiet time.Time // since when there has been no call
	err   error     // why the session ended; nil: it did not
}

// Dial opens a session with the first process at the other end of conn, and
// owns conn from then on. Over a *net.UnixConn (SOCK_STREAM) descriptors
// travel; over anything else streams are framed.
//
// It fails with fault.Corrupt when the peer does not speak the protocol or
// another version, and with fault.Unavailable when it does not answer while
// ctx lasts.
func Dial(ctx context.Context, conn io.ReadWriteCloser, opt Options) (*Client, error) {
	c := &Client{
		conn:  wire.NewConn(newTransport(conn), wire.MaxReply),
		dead:  make(chan struct{}),
		calls: map[uint64]*call{},
		quiet: time.Now(),
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.Close() })
	rights, err := c.greet(opt)
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = c.conn.Close()
		c.conn.Discard()
		return nil, gone("greet the sandbox", err)
	}
	if !rights {
		c.mux = flow.New(c.conn.Write)
	}
	go c.read()
	return c, nil
}

// greet exchanges hellos and agrees on how streams travel.
func (c *Client) greet(opt Options) (rights bool, err error) {
	hello := wire.Hello{Magic: wire.Magic, Version: wire.Version, Rights: c.conn.Rights(), Key: opt.FilterKey}
	if err := c.conn.Send(wire.KindHello, 0, &hello); err != nil {
		return false, err
	}
	f, err := c.conn.Read()
	if err != nil {
		return false, err
	}
	wire.CloseAll(f.FDs)
	var theirs wire.Hello
	if f.Kind != wire.KindHello {
		return false, breach("the peer did not greet")
	}
	if err := wire.Parse(f.Payload, &theirs); err != nil {
		return false, err
	}
	return theirs.Rights && c.conn.Rights(), theirs.Check()
}

// Done is closed when the session has ended.
func (c *Client) Done() <-chan struct{} { return c.dead }

// Err returns why the session ended; nil while it lasts.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the session and with it the sandbox, and waits until nothing of
// the session is left here. It may be called again.
func (c *Client) Close() error {
	c.end(fault.New(fault.Unavailable, "the sandbox was closed"))
	<-c.dead
	return nil
}

// Ping asks whether init answers.
func (c *Client) Ping(ctx context.Context) error {
	return c.ask(ctx, wire.KindPing, &wire.Empty{}, &wire.Empty{})
}

// Shutdown asks every process to end, kills what is left after grace, and
// closes the session. A zero grace kills at once.
func (c *Client) Shutdown(ctx context.Context, grace time.Duration) error {
	err := c.ask(ctx, wire.KindShutdown, &wire.Shutdown{Grace: int64(grace)}, &wire.Empty{})
	_ = c.Close()
	return err
}

// read takes frames until the session ends.
func (c *Client) read() {
	defer close(c.dead)
	for {
		f, err := c.conn.Read()
		if err == nil {
			err = c.handle(f)
		}
		if err != nil {
			c.end(gone("sandbox", err))
			c.conn.Discard()
			return
		}
	}
}

// end ends the session for a reason, once.
func (c *Client) end(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	calls := c.calls
	c.calls = map[uint64]*call{}
	c.mu.Unlock()
	_ = c.conn.Close()
	if c.mux != nil {
		c.mux.Close(err)
	}
	for _, k := range calls {
		k.end(err)
	}
}

// handle takes one frame. An error is the guest's breach of the protocol.
func (c *Client) handle(f wire.Frame) error {
	switch f.Kind {
	case wire.KindData, wire.KindEnd, wire.KindCredit, wire.KindStop:
		wire.CloseAll(f.FDs)
		if c.mux == nil {
			return breach("a framed stream where descriptors travel")
		}
		return c.mux.Handle(f)
	case wire.KindPart, wire.KindDone, wire.KindFail:
	default:
		wire.CloseAll(f.FDs)
		return breach("the guest sent a request")
	}
	c.mu.Lock()
	k := c.calls[f.ID]
	if f.Kind != wire.KindPart {
		c.answered(f.ID)
	}
	c.mu.Unlock()
	if k == nil {
		wire.CloseAll(f.FDs)
		return breach("an answer to no request")
	}
	return k.take(f)
}

// breach is the error for what no well-behaved guest does.
func breach(what string) error {
	return fault.New(fault.Corrupt, "guest protocol: "+what)
}

// gone is the error for a session that ended.
func gone(doing string, err error) error {
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		return err
	case errors.Is(err, io.EOF):
		return fault.Newf(fault.Unavailable, "%s: it has ended: %w", doing, err)
	default:
		return fault.Newf(fault.Unavailable, "%s: %w", doing, err)
	}
}
