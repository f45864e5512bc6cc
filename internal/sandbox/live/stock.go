package live

import (
	"context"
	"errors"
	"sync"

	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
)

// Stock keeps sandboxes ready that nobody has used, all for one request. Each
// is given away once; the place of one that was taken is filled in the
// background. It is safe for concurrent use.
type Stock struct {
	booter Booter
	req    sandbox.Request
	opt    Options
	ready  chan *Sandbox
	wake   chan struct{} // there may be a place to fill
	stop   context.CancelFunc
	done   chan struct{}
	once   sync.Once
	err    error // of Close
}

// NewStock begins to prepare n sandboxes. Those that wait are never idle for
// too long: opt.Idle counts from when one is taken.
func NewStock(b Booter, req sandbox.Request, opt Options, n int) *Stock {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Stock{
		booter: b, req: req, opt: opt, stop: cancel,
		ready: make(chan *Sandbox, max(n, 0)), wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go s.fill(ctx)
	s.refill()
	return s
}

// fill fills the places that are free. When a sandbox cannot be opened, it
// waits until the next one is taken: Take tells why.
func (s *Stock) fill(ctx context.Context) {
	defer close(s.done)
	opt := s.opt
	opt.parked = true
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		for ctx.Err() == nil && len(s.ready) < cap(s.ready) {
			box, err := Open(ctx, s.booter, s.req, opt)
			if err != nil {
				break
			}
			s.ready <- box // nobody else fills, so there is a place
		}
	}
}

// Take gives a sandbox away: one that waits, else one that is opened now. It
// fails as Open does. The caller closes it.
func (s *Stock) Take(ctx context.Context) (*Sandbox, error) {
	defer s.refill()
	for {
		select {
		case box := <-s.ready:
			if box.unpark() {
				return box, nil
			}
			_ = box.Kill() // it has died while it waited
		default:
			return Open(ctx, s.booter, s.req, s.opt)
		}
	}
}

// refill wakes the filler.
func (s *Stock) refill() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Ready is how many wait.
func (s *Stock) Ready() int { return len(s.ready) }

// Close ends the sandboxes that nobody took. It may be called twice. Take
// opens sandboxes all the same after it, but keeps none ready.
func (s *Stock) Close() error {
	s.once.Do(func() {
		s.stop()
		<-s.done
		for len(s.ready) > 0 {
			select {
			case box := <-s.ready:
				s.err = errors.Join(s.err, box.Kill())
			default:
			}
		}
	})
	return s.err
}
