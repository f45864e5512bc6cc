//go:build linux

package guest

import (
	"context"
	"sync"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// maxCalls is how many requests may wait for their end, those that nobody
// waits for any more included. It is below the guest's own limit.
const maxCalls = 2048

// call is one request under way.
type call struct {
	c    *Client
	id   uint64
	done chan struct{} // closed at its end

	// part takes a part on the goroutine that reads frames, and the
	// descriptors that came with it, which it then owns. It must not wait. Its
	// error is a breach of the protocol. nil: there may be no part.
	part func(payload []byte, fds []int) error

	mu      sync.Mutex // guards below
	dropped bool       // nobody waits: close what comes
	fds     []int      // of the answer
	payload []byte     // of the answer
	err     error
}

// begin sends a request. The descriptors stay the caller's. open runs between
// the choice of the id and the sending, to open framed streams.
func (c *Client) begin(kind wire.Kind, m wire.Message, part func([]byte, []int) error, open func(id uint64) ([]int, error)) (*call, error) {
	k, err := c.register(part)
	if err != nil {
		return nil, err
	}
	var fds []int
	if open != nil {
		if fds, err = open(k.id); err != nil {
			c.forget(k.id)
			return nil, err
		}
	}
	if err := c.conn.Send(kind, k.id, m, fds...); err != nil {
		if fault.KindOf(err) == fault.Corrupt { // too large: nothing was sent
			c.forget(k.id)
			return nil, fault.Newf(fault.Invalid, "request: %w", err)
		}
		err = gone("send to the sandbox", err)
		c.end(err)
		return nil, err
	}
	return k, nil
}

func (c *Client) register(part func([]byte, []int) error) (*call, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, c.err
	}
	if len(c.calls) >= maxCalls {
		return nil, fault.Newf(fault.Exhausted, "%d requests to the sandbox are under way", maxCalls)
	}
	c.next++
	k := &call{c: c, id: c.next, part: part, done: make(chan struct{})}
	c.calls[k.id] = k
	return k, nil
}

func (c *Client) forget(id uint64) {
	c.mu.Lock()
	c.answered(id)
	c.mu.Unlock()
}

// take takes an answer from the guest.
func (k *call) take(f wire.Frame) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dropped {
		wire.CloseAll(f.FDs)
		return nil
	}
	switch f.Kind {
	case wire.KindPart:
		if k.part == nil {
			wire.CloseAll(f.FDs)
			return breach("a part of an answer that has none")
		}
		return k.part(f.Payload, f.FDs)
	case wire.KindFail:
		wire.CloseAll(f.FDs)
		var m wire.Fail
		if err := wire.Parse(f.Payload, &m); err != nil {
			return err
		}
		k.err = failed(&m)
	default:
		k.payload, k.fds = append([]byte(nil), f.Payload...), f.FDs
	}
	close(k.done)
	return nil
}

// end ends the call with the session.
func (k *call) end(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = err
	close(k.done)
}

// wait returns the answer. When ctx ends first the request is cancelled, and
// what it still brings is dropped.
func (k *call) wait(ctx context.Context, m wire.Message) error {
	select {
	case <-k.done:
	case <-ctx.Done():
		k.drop()
		return stopped(ctx)
	}
	if k.err != nil {
		return k.err
	}
	if err := wire.Parse(k.payload, m); err != nil {
		k.c.end(err)
		return err
	}
	return nil
}

// over reports whether the call has its answer.
func (k *call) over() bool { return isClosed(k.done) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// cancel asks the guest to stop.
func (k *call) cancel() { _ = k.c.conn.Write(wire.Frame{Kind: wire.KindCancel, ID: k.id}) }

// drop cancels the request and closes what it brings.
func (k *call) drop() {
	k.mu.Lock()
	k.dropped = true
	wire.CloseAll(k.fds)
	k.fds = nil
	k.mu.Unlock()
	// On a goroutine of its own: a guest that does not read must not hold up
	// whoever gives up on it.
	go k.cancel()
}

// ask sends a request and waits for its answer, which has no parts.
func (c *Client) ask(ctx context.Context, kind wire.Kind, req, answer wire.Message) error {
	k, err := c.begin(kind, req, nil, nil)
	if err != nil {
		return err
	}
	return k.wait(ctx, answer)
}

// stopped is the error of a context that ended.
func stopped(ctx context.Context) error {
	kind := fault.Cancelled
	if ctx.Err() == context.DeadlineExceeded {
		kind = fault.Unavailable
	}
	return fault.Newf(kind, "wait for the sandbox: %w", context.Cause(ctx))
}
