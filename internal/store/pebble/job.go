package pebble

import (
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/store"
	"github.com/bulkhead-dev/bulkhead/internal/store/record"
)

// jobState is what the committer must know of a job to judge and write the
// next transition. Only the committer touches it.
type jobState struct {
	version   event.Seq
	epoch     event.Epoch
	count     uint64 // transitions so far
	submitted time.Time
	status    event.JobStatus
	commands  [store.RememberedCommands]record.Command // by slot; Count 0: free
	timers    map[string]time.Time                     // due, by key
}

// loadState reads a job's state. A job that does not exist has version 0.
func (s *Store) loadState(r pebble.Reader, job event.JobID) (*jobState, error) {
	if err := s.checkOnce(r, job); err != nil {
		return nil, err
	}
	st := &jobState{timers: make(map[string]time.Time)}
	head, err := readHead(r, job)
	if fault.KindOf(err) == fault.NotFound {
		return st, nil
	}
	if err != nil {
		return nil, corrupt(err)
	}
	st.version, st.epoch, st.count = head.Version, head.Epoch, head.Commands
	st.submitted, st.status = head.Summary.Submitted, head.Summary.Status

	if err := st.loadCommands(r, job); err != nil {
		return nil, corrupt(err)
	}
	return st, corrupt(st.loadTimers(r, job))
}

func (st *jobState) loadCommands(r pebble.Reader, job event.JobID) error {
	prefix := jobKey(nil, job, partCommand)
	return scan(r, span{prefix, after(prefix)}, func(key, value []byte) error {
		c, err := record.DecodeCommand(key, value)
		st.commands[c.Count%store.RememberedCommands] = c
		return err
	})
}

func (st *jobState) loadTimers(r pebble.Reader, job event.JobID) error {
	prefix := jobKey(nil, job, partTimer)
	return scan(r, span{prefix, after(prefix)}, func(key, value []byte) error {
		t, err := record.DecodeTimer(key, value)
		st.timers[t.Key] = t.Due
		return err
	})
}

// repeated returns the first answer to a command that is remembered.
func (st *jobState) repeated(id event.CommandID) (store.Applied, bool) {
	for i := range st.commands {
		if c := &st.commands[i]; c.ID == id && c.Count > 0 {
			return store.Applied{Version: c.Version, Repeat: true}, true
		}
	}
	return store.Applied{}, false
}
