package pebble

import (
	"context"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/store"
)

// Apply implements store.Driver. Calls that come while another is being
// synced share the next sync; a call that comes alone waits for nobody.
func (s *Store) Apply(ctx context.Context, ts []event.Transition) ([]store.Applied, []error) {
	req := newRequest(len(ts))
	if err := s.enter(ctx); err != nil {
		return req.refuse(err)
	}
	defer s.closed.leave()
	if err := s.takesWrites(); err != nil {
		return req.refuse(err)
	}
	if len(ts) == 0 {
		return req.applied, req.errs
	}

	for i := range ts {
		req.add(i, ts[i])
	}
	if !s.writer.submit(req) {
		return req.refuse(store.ErrClosed)
	}
	return s.await(ctx, req)
}

// takesWrites returns why this store will take no write until it is reopened;
// nil when it may.
func (s *Store) takesWrites() error {
	if s.writer == nil {
		return s.space.room(0)
	}
	return s.guard.failure()
}

// await waits for the answer. When the store fails or the caller gives up
// meanwhile, what becomes of the request is not known.
func (s *Store) await(ctx context.Context, req *request) ([]store.Applied, []error) {
	select {
	case <-req.done:
		return req.applied, req.errs
	default:
	}
	select {
	case <-req.done:
		return req.applied, req.errs
	case <-s.guard.down:
		return newRequest(len(req.errs)).refuse(s.guard.failure())
	case <-ctx.Done():
		return newRequest(len(req.errs)).refuse(fault.Newf(fault.Cancelled,
			"gave up waiting for the disk, the transition may yet be applied: %w", context.Cause(ctx)))
	}
}

// request is one call of Apply.
type request struct {
	items   []item
	keep    *entry // a record that belongs to no job; nil: none
	size    int    // bytes, about
	applied []store.Applied
	errs    []error
	done    chan struct{}
}

// item is a transition of a request that is worth looking at.
type item struct {
	at     int // its place in the answers
	t      event.Transition
	events []entry
}

func newRequest(n int) *request {
	return &request{applied: make([]store.Applied, n), errs: make([]error, n), done: make(chan struct{})}
}

func (r *request) add(at int, t event.Transition) {
	prepared, err := store.Prepare(t)
	if err != nil {
		r.errs[at] = err
		return
	}
	it := item{at: at, t: prepared, events: encodeEvents(&prepared)}
	r.size += len(prepared.State) + 512
	for _, e := range it.events {
		r.size += len(e.key) + len(e.value)
	}
	r.items = append(r.items, it)
}

// refuse answers every transition with one error.
func (r *request) refuse(err error) ([]store.Applied, []error) {
	for i := range r.errs {
		r.errs[i] = err
	}
	return r.applied, r.errs
}

// A batch takes requests until it has this many transitions or bytes.
const (
	batchItems = 1024
	batchBytes = 4 << 20
)

// committer is the only writer of jobs: one goroutine that turns the requests
// that are waiting into one batch with one sync.
type committer struct {
	s    *Store
	jobs map[event.JobID]*jobState // a cache
	born []event.JobID             // jobs that the batch in hand creates
	wake chan struct{}
	quit chan struct{} // closed when the goroutine has ended

	mu     sync.Mutex // guards below
	queue  []*request
	closed bool
}

// maxStates bounds the cache of jobs, at about 3 kB each.
const maxStates = 2048

func newCommitter(s *Store) *committer {
	c := &committer{
		s: s, jobs: make(map[event.JobID]*jobState),
		wake: make(chan struct{}, 1), quit: make(chan struct{}),
	}
	go c.loop()
	return c
}

// submit queues a request; false when the committer is closed.
func (c *committer) submit(r *request) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.queue = append(c.queue, r)
	c.poke()
	return true
}

func (c *committer) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// close ends the committer after what is queued. A store that failed does not
// wait: its committer may be parked for good.
func (c *committer) close() {
	c.mu.Lock()
	c.closed = true
	c.poke()
	c.mu.Unlock()
	select {
	case <-c.quit:
	case <-c.s.guard.down:
	}
}

func (c *committer) loop() {
	defer close(c.quit)
	for range c.wake {
		for {
			batch, last := c.take()
			if len(batch) > 0 {
				c.commit(batch)
				continue
			}
			if last {
				return
			}
			break
		}
	}
}

// take returns the next requests, and whether no more will come.
func (c *committer) take() (batch []*request, last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	items, size, n := 0, 0, 0
	for n < len(c.queue) && items < batchItems && size < batchBytes {
		items += len(c.queue[n].items)
		size += c.queue[n].size
		n++
	}
	batch = c.queue[:n:n]
	c.queue = c.queue[n:]
	return batch, c.closed
}

// commit judges the requests, writes what is admitted, and answers.
func (c *committer) commit(requests []*request) {
	size := 0
	for _, r := range requests {
		size += r.size
	}
	full := c.s.space.room(size)
	batch := c.s.db.NewBatch()
	for _, r := range requests {
		c.judgeAll(batch, r, full)
	}

	if err := c.write(batch); err != nil {
		clear(c.jobs)
		for _, r := range requests {
			r.refuse(err)
		}
	} else {
		c.s.names.add(c.born)
	}
	c.born = c.born[:0]
	for _, r := range requests {
		close(r.done)
	}
}

func (c *committer) judgeAll(batch *pebble.Batch, r *request, full error) {
	for i := range r.items {
		it := &r.items[i]
		r.applied[it.at], r.errs[it.at] = c.judge(batch, it, full)
	}
	if r.keep == nil {
		return
	}
	if r.errs[0] = full; full == nil {
		r.errs[0] = batch.Set(r.keep.key, r.keep.value, nil)
	}
}

// judge answers one transition, and stages it in the batch when it is taken.
func (c *committer) judge(batch *pebble.Batch, it *item, full error) (store.Applied, error) {
	st, err := c.state(it.t.Job)
	if err != nil {
		return store.Applied{}, err
	}
	if answer, ok := st.repeated(it.t.Command); ok {
		return answer, nil
	}
	if err := store.Admit(st.version, st.epoch, &it.t); err != nil {
		return store.Applied{}, err
	}
	if full != nil {
		return store.Applied{}, full
	}
	if st.count == 0 {
		c.born = append(c.born, it.t.Job)
	}
	g := stage{batch: batch, st: st, t: &it.t}
	if err := g.run(it.events); err != nil {
		return store.Applied{}, err
	}
	return store.Applied{Version: st.version}, nil
}

// state returns a job's state from the cache or from the database.
func (c *committer) state(job event.JobID) (*jobState, error) {
	if err := c.s.damage.of(job); err != nil {
		return nil, err
	}
	if st, ok := c.jobs[job]; ok {
		return st, nil
	}
	st, err := c.s.loadState(c.s.db, job)
	if err != nil {
		if fault.KindOf(err) == fault.Corrupt {
			err = c.s.damage.quarantine(job, err)
		}
		return nil, err
	}
	for other := range c.jobs {
		if len(c.jobs) < maxStates {
			break
		}
		delete(c.jobs, other)
	}
	c.jobs[job] = st
	return st, nil
}

// write makes the batch durable and then visible.
func (c *committer) write(batch *pebble.Batch) error {
	if batch.Empty() {
		return batch.Close()
	}
	err := batch.Commit(pebble.Sync)
	if failure := c.s.guard.failure(); failure != nil {
		return failure
	}
	if err != nil {
		c.s.guard.fail(fault.Newf(fault.Internal, "commit: %w", err))
		return c.s.guard.failure()
	}
	c.s.views.set(c.s.db.NewSnapshot())
	return batch.Close()
}
