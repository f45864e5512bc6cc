package pebble

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/store/record"
)

// entry is a record with its key.
type entry struct{ key, value []byte }

// encodeEvents writes the events of a prepared transition down. Their numbers
// are right whenever the transition is taken at all, so this need not wait
// for the committer.
func encodeEvents(t *event.Transition) []entry {
	entries := make([]entry, len(t.Events))
	for i, e := range t.Events {
		key := eventKey(nil, t.Job, e.Seq)
		rec := record.Event{Event: e, Command: t.Command, Owner: t.Epoch}
		entries[i] = entry{key, record.AppendEvent(nil, key, &rec)}
	}
	return entries
}

// stage puts an admitted transition into a batch, record by record, and moves
// the job's state along.
type stage struct {
	batch *pebble.Batch
	st    *jobState
	t     *event.Transition
	key   []byte // reused
	rec   []byte // reused
	err   error
}

func (g *stage) run(events []entry) error {
	for _, e := range events {
		g.set(e.key, e.value)
	}
	g.moveState()
	g.listing()
	g.command()
	g.head()
	for _, key := range g.t.Drop {
		g.dropTimer(key)
	}
	for i := range g.t.Put {
		g.putTimer(&g.t.Put[i])
	}
	for _, p := range g.t.Release {
		g.delete(permitKey(p.Key, p.Holder))
	}
	for _, p := range g.t.Take {
		key := permitKey(p.Key, p.Holder)
		g.set(key, record.AppendPermit(g.rec[:0], key, &p))
	}
	return g.err
}

// moveState makes the state what it is after the transition. A job's place in
// the listing never changes.
func (g *stage) moveState() {
	if g.st.version == 0 {
		g.st.submitted = g.t.Summary.Submitted
	}
	g.t.Summary.Submitted = g.st.submitted
	g.st.version, g.st.epoch = g.t.Summary.Version, g.t.Epoch
	g.st.count++
}

func (g *stage) listing() {
	if status := g.t.Summary.Status; g.st.count == 1 || status != g.st.status {
		g.st.status = status
		key := listKey(g.st.submitted, g.t.Job)
		g.set(key, record.AppendOpaque(g.rec[:0], key, []byte(status)))
	}
}

func (g *stage) command() {
	c := record.Command{ID: g.t.Command, Count: g.st.count, Version: g.st.version}
	g.st.commands[c.Count%uint64(len(g.st.commands))] = c
	g.key = commandKey(g.key, g.t.Job, c.Count)
	g.set(g.key, record.AppendCommand(g.rec[:0], g.key, &c))
}

func (g *stage) head() {
	h := record.Head{
		Version: g.st.version, Epoch: g.st.epoch, Command: g.t.Command, Commands: g.st.count,
		Summary: g.t.Summary, State: g.t.State,
	}
	g.key = headKey(g.key, g.t.Job)
	g.rec = record.AppendHead(g.rec[:0], g.key, &h)
	g.set(g.key, g.rec)
}

func (g *stage) dropTimer(name string) {
	due, ok := g.st.timers[name]
	if !ok {
		return
	}
	delete(g.st.timers, name)
	g.delete(dueKey(nil, due, g.t.Job, name))
	g.delete(timerKey(nil, g.t.Job, name))
}

func (g *stage) putTimer(t *event.Timer) {
	g.dropTimer(t.Key)
	g.st.timers[t.Key] = t.Due
	key := timerKey(nil, g.t.Job, t.Key)
	g.set(key, record.AppendTimer(g.rec[:0], key, t))
	g.set(dueKey(nil, t.Due, g.t.Job, t.Key), nil)
}

func (g *stage) set(key, value []byte) {
	g.err = errors.Join(g.err, g.batch.Set(key, value, nil))
}

func (g *stage) delete(key []byte) {
	g.err = errors.Join(g.err, g.batch.Delete(key, nil))
}
