package store

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

const (
	defaultMax = 100
	limitMax   = 1000
)

// Limit returns how many rows a Query or DueQuery asks for: 100 when it does
// not say, at most 1000.
func Limit(maxRows int) (int, error) {
	n, err := EventLimit(maxRows)
	return min(n, limitMax), err
}

// EventLimit returns how many events a reader asks for: 100 when it does not
// say, without an upper bound.
func EventLimit(maxEvents int) (int, error) {
	switch {
	case maxEvents < 0:
		return 0, fault.Newf(fault.Invalid, "max is %d", maxEvents)
	case maxEvents == 0:
		return defaultMax, nil
	}
	return maxEvents, nil
}

// Matches reports whether a job belongs into the listing.
func (q Query) Matches(s event.JobStatus) bool {
	return len(q.Status) == 0 || slices.Contains(q.Status, s)
}

// ListKey orders jobs in a listing, as bytes: newest first, then by id.
func ListKey(submitted time.Time, job event.JobID) []byte {
	key := binary.BigEndian.AppendUint64(nil, ^TimeKey(submitted))
	return append(key, job...)
}

// ListKeyJob is the job of a ListKey; empty when key is none.
func ListKeyJob(key []byte) event.JobID {
	if len(key) <= 8 {
		return ""
	}
	return event.JobID(key[8:])
}

// TimeKey maps a time to a number that orders like it. The zero time comes
// first; times outside the years 1678 to 2262 are taken for the nearest inside.
func TimeKey(t time.Time) uint64 {
	nanos := t.UnixNano()
	switch {
	case t.IsZero() || t.Year() < 1678:
		nanos = math.MinInt64
	case t.Year() > 2261:
		nanos = math.MaxInt64
	}
	return uint64(nanos) ^ 1<<63
}

// Cursor is the text form of a ListKey, for Page.Next.
func Cursor(key []byte) string { return base64.RawURLEncoding.EncodeToString(key) }

// ParseCursor reads Query.After; nil when it is empty. Its error is fault.Invalid.
func ParseCursor(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	key, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(key) < 9 || CheckJobID(ListKeyJob(key)) != nil {
		return nil, fault.Newf(fault.Invalid, "cursor %q is not from a listing", trim(s))
	}
	return key, nil
}
