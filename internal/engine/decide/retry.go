package decide

import (
	"strconv"
	"time"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
)

// The defaults of a retry policy.
const (
	defaultBackoff    = 500 * time.Millisecond
	defaultMaxBackoff = 30 * time.Second
)

// defaultOn is what is retried when the policy names no causes: what the
// worker itself calls retryable, and what says nothing about the work.
var defaultOn = []string{"retryable", "timeout", "start"}

// retries reports whether a failed attempt is tried again.
func retries(r bundle.Retry, number int, o *event.Outcome) bool {
	if number >= r.MaxAttempts || (o.Retryable != nil && !*o.Retryable) {
		return false
	}
	on := r.On
	if len(on) == 0 {
		on = defaultOn
	}
	for _, cause := range on {
		if matches(cause, o) {
			return true
		}
	}
	return false
}

// matches reports whether a word of retry.on names what happened.
func matches(word string, o *event.Outcome) bool {
	switch word {
	case "any", o.Cause:
		return true
	case "retryable":
		return o.Retryable != nil && *o.Retryable
	case "exit:" + strconv.Itoa(o.ExitCode):
		return o.Cause == "exit"
	}
	return false
}

// backoff is how long to wait after the attempt of a number, with the given
// random number from 0 to 1.
func backoff(r bundle.Retry, number int, random float64) time.Duration {
	delay, limit := r.Backoff, r.MaxBackoff
	if delay <= 0 {
		delay = defaultBackoff
	}
	if limit <= 0 {
		limit = max(defaultMaxBackoff, delay)
	}
	for range number - 1 {
		if delay >= limit {
			break
		}
		delay *= 2
	}
	delay = min(delay, limit)
	jitter := min(max(r.Jitter, 0), 1) * float64(delay)
	return delay - time.Duration(jitter) + time.Duration(jitter*random)
}
