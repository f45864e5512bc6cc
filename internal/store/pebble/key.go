package pebble

import (
	"encoding/binary"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/store"
)

// The keys. Everything of a job stands together under j<job>, so that a
// damaged block of a table touches few jobs and they can be named; the
// indexes can be made anew from it.
//
//	j <job> 00 h            head: version, epoch, summary, state
//	j <job> 00 e <seq>      event
//	j <job> 00 c <slot>     remembered command
//	j <job> 00 t <key>      timer
//	i <list key>            listing, newest first: status
//	d <time> <job> 00 <key> timers by time
//	p <key> 00 <holder>     permit
//	g <digest>              graph
const (
	spaceJob    = 'j'
	spaceList   = 'i'
	spaceDue    = 'd'
	spacePermit = 'p'
	spaceGraph  = 'g'

	partHead    = 'h'
	partEvent   = 'e'
	partCommand = 'c'
	partTimer   = 't'
)

func jobKey(dst []byte, job event.JobID, part byte) []byte {
	dst = append(dst[:0], spaceJob)
	dst = append(dst, job...)
	return append(dst, 0, part)
}

func headKey(dst []byte, job event.JobID) []byte { return jobKey(dst, job, partHead) }

func eventKey(dst []byte, job event.JobID, seq event.Seq) []byte {
	return binary.BigEndian.AppendUint64(jobKey(dst, job, partEvent), uint64(seq))
}

func commandKey(dst []byte, job event.JobID, count uint64) []byte {
	return append(jobKey(dst, job, partCommand), byte(count%store.RememberedCommands))
}

func timerKey(dst []byte, job event.JobID, key string) []byte {
	return append(jobKey(dst, job, partTimer), key...)
}

func listKey(submitted time.Time, job event.JobID) []byte {
	return append([]byte{spaceList}, store.ListKey(submitted, job)...)
}

func dueKey(dst []byte, due time.Time, job event.JobID, key string) []byte {
	dst = append(dst[:0], spaceDue)
	dst = binary.BigEndian.AppendUint64(dst, store.TimeKey(due))
	dst = append(dst, job...)
	dst = append(dst, 0)
	return append(dst, key...)
}

func permitKey(key, holder string) []byte {
	k := append([]byte{spacePermit}, key...)
	k = append(k, 0)
	return append(k, holder...)
}

func graphKey(digest string) []byte { return append([]byte{spaceGraph}, digest...) }

// jobOf is the job of a key in the space of jobs; empty when it is none.
func jobOf(key []byte) event.JobID {
	if len(key) < 2 || key[0] != spaceJob {
		return ""
	}
	for i, c := range key[1:] {
		if c == 0 {
			return event.JobID(key[1 : 1+i])
		}
	}
	return ""
}

// after is the smallest key that is greater than every key with a prefix.
// The prefix must not be all 0xff.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; ; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
}
