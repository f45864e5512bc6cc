package pebble

import (
	"context"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bulkhead-dev/bulkhead/event"
)

// Waiting is how many calls of Apply wait for the next batch.
func (s *Store) Waiting() int {
	s.writer.mu.Lock()
	defer s.writer.mu.Unlock()
	return len(s.writer.queue)
}

// Compact moves every record into tables, as time would.
func (s *Store) Compact() error {
	if err := s.db.Flush(); err != nil {
		return err
	}
	return s.db.Compact(context.Background(), []byte{0}, []byte{0xff}, false)
}

// Keys of records, for tests that damage them.
func HeadKey(job event.JobID) []byte                  { return headKey(nil, job) }
func EventKey(job event.JobID, seq event.Seq) []byte  { return eventKey(nil, job, seq) }
func CommandKey(job event.JobID, count uint64) []byte { return commandKey(nil, job, count) }
func TimerKey(job event.JobID, key string) []byte     { return timerKey(nil, job, key) }
func ListKey(sum event.Summary) []byte                { return listKey(sum.Submitted, sum.Job) }
func DueKey(t event.Timer, job event.JobID) []byte    { return dueKey(nil, t.Due, job, t.Key) }

// Flip flips a bit in the middle of a record, behind the database's own checksum.
func (s *Store) Flip(key []byte) error {
	value, closer, err := s.db.Get(key)
	if err != nil {
		return err
	}
	bad := append([]byte(nil), value...)
	if len(bad) > 0 {
		bad[len(bad)/2] ^= 4
	}
	if err := closer.Close(); err != nil {
		return err
	}
	return s.db.Set(key, bad, pebble.Sync)
}

// Lose deletes a record.
func (s *Store) Lose(key []byte) error { return s.db.Delete(key, pebble.Sync) }

// ScanLog looks at the bytes of a log as checkLog does.
func ScanLog(content []byte, number uint32) (end, next int) {
	l := logScan{content: content, number: number}
	end = l.end()
	return end, l.recordAfter(end)
}
