package event

import "time"

// Applied is a store's answer to a transition.
type Applied struct {
	Version Seq  // the job's last sequence number now
	Repeat  bool // the command id was known: nothing changed
}

// Snapshot is the folded state of a job as a store keeps it.
type Snapshot struct {
	Summary Summary
	State   []byte
	Version Seq
	Epoch   Epoch
}

// DueQuery selects timers.
type DueQuery struct {
	At  time.Time
	Max int // 0: 100
}

// DueTimer is a timer with its job.
type DueTimer struct {
	Job   JobID
	Timer Timer
}
