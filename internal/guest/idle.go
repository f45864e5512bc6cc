//go:build linux

package guest

import "time"

// Idle returns since when no request is under way: no command runs, and no
// file is on its way. The zero time means that one is. A connection to a port
// that has been handed over is not a request.
func (c *Client) Idle() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.calls) > 0 {
		return time.Time{}
	}
	return c.quiet
}

// answered takes a request off the list. The caller holds the lock.
func (c *Client) answered(id uint64) {
	delete(c.calls, id)
	if len(c.calls) == 0 {
		c.quiet = time.Now()
	}
}
