package store

import (
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
)

// DueQuery selects timers.
type DueQuery struct {
	At  time.Time
	Max int // 0: 100
}

// DueTimer is a timer with its job.
type DueTimer struct {
	Job   event.JobID
	Timer event.Timer
}
