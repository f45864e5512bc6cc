//go:build linux

package guest

import (
	"context"
	"syscall"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// Process is a process of the sandbox. What it is called is its own choice.
type Process struct {
	PID     int    // inside
	Start   uint64 // clock ticks since boot; with PID, its identity
	Parent  int
	Group   int
	Session int
	Exec    uint64   // Cmd.ID of the command in whose session it is; 0: none
	State   byte     // a letter, see proc(5)
	Args    []string // at most 4 KiB
	User    time.Duration
	System  time.Duration
	RSS     int64 // bytes
}

// maxProcesses bounds a listing; the kernel's own limit is 2²².
const maxProcesses = 1 << 18

// Processes lists the processes of the sandbox without init: commands, and
// what has outlived them.
func (c *Client) Processes(ctx context.Context) ([]Process, error) {
	var list []Process
	full := make(chan struct{})
	part := func(payload []byte, fds []int) error {
		var m wire.Processes
		if err := noFDs(fds); err != nil {
			return err
		}
		if err := wire.Parse(payload, &m); err != nil || len(list) > maxProcesses {
			return err
		}
		for i := range m.List {
			list = append(list, processOf(&m.List[i]))
		}
		if len(list) > maxProcesses {
			close(full)
		}
		return nil
	}
	err := c.gather(ctx, wire.KindProcesses, &wire.Empty{}, part, full)
	return list, doing("list", "processes", err)
}

func processOf(m *wire.Process) Process {
	return Process{
		PID: int(m.PID), Start: m.Start, Parent: int(m.Parent), Group: int(m.Group), Session: int(m.Session),
		Exec: m.Exec, State: m.State, Args: m.Args,
		User: time.Duration(m.User), System: time.Duration(m.System), RSS: m.RSS,
	}
}

// Kill signals one process, if it still is the one that was listed; else it
// fails with fault.NotFound.
func (c *Client) Kill(ctx context.Context, p Process, sig syscall.Signal) error {
	m := &wire.Kill{PID: uint32(p.PID), Start: p.Start, Signal: uint8(sig)}
	return doing("signal", "process", c.ask(ctx, wire.KindKill, m, &wire.Empty{}))
}

// Metrics is what the sandbox's processes use, as init counts it. Limits and
// bills go by the host's own counters (cgroups), not by this.
type Metrics struct {
	Processes int
	Threads   int
	User      time.Duration // of the living and of all that were reaped
	System    time.Duration
	RSS       int64  // bytes; shared pages count for each process
	MaxRSS    int64  // bytes, of the largest process that was reaped
	Read      int64  // bytes from storage, by reaped processes
	Written   int64  // bytes to storage, by reaped processes
	Execs     int    // running
	Reaped    uint64 // processes that ended
}

// Metrics asks what the sandbox's processes use.
func (c *Client) Metrics(ctx context.Context) (Metrics, error) {
	var m wire.Metrics
	err := c.ask(ctx, wire.KindMetrics, &wire.Empty{}, &m)
	return Metrics{
		Processes: int(m.Processes), Threads: int(m.Threads),
		User: time.Duration(m.User), System: time.Duration(m.System),
		RSS: m.RSS, MaxRSS: m.MaxRSS, Read: m.Read, Written: m.Written,
		Execs: int(m.Execs), Reaped: m.Reaped,
	}, doing("read", "metrics", err)
}
