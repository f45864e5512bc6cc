//go:build linux

package inside

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// tick is USER_HZ, which is 100 on every architecture that we run on.
const tick = time.Second / 100

// listPiece is about how much of a listing goes into one frame.
const listPiece = 64 << 10

// processes lists every process of the sandbox but this one.
func processes(o *op, _ *wire.Empty) (wire.Message, error) {
	var part wire.Processes
	size := 0
	err := eachProcess(func(p *wire.Process, _ int) error {
		p.Args = argsOf(p.PID)
		p.Exec = o.s.execs.nameOf(int(p.Session))
		part.List = append(part.List, *p)
		for _, a := range p.Args {
			size += len(a) + 4
		}
		if size += 64; size < listPiece {
			return nil
		}
		full := part
		part, size = wire.Processes{}, 0
		return o.part(&full)
	})
	if err == nil && len(part.List) > 0 {
		err = o.part(&part)
	}
	return &wire.Empty{}, at(wire.WhereRead, err)
}

// nameOf returns the exec whose session a process is in; 0 for none.
func (e *execs) nameOf(session int) uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.names[session]
}

// eachProcess calls f with what /proc/PID/stat says, and the number of threads.
func eachProcess(f func(p *wire.Process, threads int) error) error {
	dir, err := os.Open("/proc")
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	self := os.Getpid()
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == self {
			continue
		}
		p, threads, ok := statOf(pid)
		if !ok {
			continue // it has gone
		}
		if err := f(p, threads); err != nil {
			return err
		}
	}
	return nil
}

// statOf reads /proc/PID/stat: proc_pid_stat(5).
func statOf(pid int) (*wire.Process, int, bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil, 0, false
	}
	return parseStat(pid, string(b))
}

// parseStat takes the fields after the name, which may hold anything and is
// ended by the last parenthesis.
func parseStat(pid int, text string) (*wire.Process, int, bool) {
	f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(f) < 22 || len(f[0]) != 1 {
		return nil, 0, false
	}
	n := make([]int64, len(f)) // n[i] is field i+3 of the manual
	for i := range f {
		n[i], _ = strconv.ParseInt(f[i], 10, 64)
	}
	return &wire.Process{
		PID: uint32(pid), State: f[0][0],
		Parent: uint32(n[1]), Group: uint32(n[2]), Session: uint32(n[3]),
		User: n[11] * int64(tick), System: n[12] * int64(tick),
		Start: uint64(n[19]), RSS: max(n[21], 0) * int64(os.Getpagesize()),
	}, int(n[17]), true
}

// argsOf is the beginning of a command line. It is what the process wants it
// to be.
func argsOf(pid uint32) []string {
	f, err := os.Open("/proc/" + strconv.Itoa(int(pid)) + "/cmdline")
	if err != nil {
		return nil
	}
	defer f.Close()
	b := make([]byte, wire.MaxShown)
	n, _ := f.Read(b)
	text := strings.TrimRight(string(b[:max(n, 0)]), "\x00")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\x00")
}

// kill signals one process, if it still is the one that was meant.
func kill(o *op, m *wire.Kill) (wire.Message, error) {
	if m.PID <= 1 || int(m.PID) == os.Getpid() {
		return nil, at(wire.WhereRequest, unix.EPERM)
	}
	fd, err := unix.PidfdOpen(int(m.PID), 0)
	if err != nil {
		return nil, at(wire.WhereEnded, err)
	}
	defer unix.Close(fd)
	p, _, ok := statOf(int(m.PID)) // after pidfd_open: the number cannot change hands any more
	if !ok || m.Start != 0 && p.Start != m.Start {
		return nil, at(wire.WhereEnded, unix.ESRCH)
	}
	return &wire.Empty{}, at(wire.WhereRequest, unix.PidfdSendSignal(fd, syscall.Signal(m.Signal), nil, 0))
}

// metrics adds up what all processes use.
func metrics(o *op, _ *wire.Empty) (wire.Message, error) {
	m := o.s.execs.metrics()
	err := eachProcess(func(p *wire.Process, threads int) error {
		m.Processes++
		m.Threads += uint32(threads)
		m.User += p.User
		m.System += p.System
		m.RSS += p.RSS
		return nil
	})
	return m, at(wire.WhereRead, err)
}

func (e *execs) metrics() *wire.Metrics {
	e.mu.Lock()
	defer e.mu.Unlock()
	u := &e.usage
	return &wire.Metrics{
		User: int64(u.user), System: int64(u.system), MaxRSS: u.maxRSS,
		Read: u.read, Written: u.written, Execs: uint32(len(e.running)), Reaped: u.reaped,
	}
}
