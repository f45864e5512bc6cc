package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/guest"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/live"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/native"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// liveManager is a manager with live sandboxes.
func liveManager(o options) *sandbox.Manager {
	opt := native.Options{Init: filepath.Join(filepath.Dir(o.cli), "bulkhead-init"), Stock: 4}
	if os.Geteuid() != 0 {
		opt.LeaseDir = filepath.Join(o.dir, "uids")
	}
	return sandbox.New(native.New(opt))
}

// trueCommand is /bin/true without a sandbox.
func trueCommand() error { return exec.Command("/bin/true").Run() }

// trueIn is /bin/true in a live sandbox.
func trueIn(s *live.Sandbox, profile policy.Profile) error {
	c := s.Command("/bin/true")
	c.Syscalls = profile
	exit, err := c.Run(context.Background())
	if err == nil && exit.Code != 0 {
		err = fmt.Errorf("exit code %d", exit.Code)
	}
	return err
}

// benchLive compares commands in a sandbox that is there with bare ones, and
// then sandboxes from a stock.
func benchLive(w io.Writer, o options) error {
	m := liveManager(o)
	defer m.Close()
	s, err := live.Open(context.Background(), m, sandbox.Request{}, live.Options{})
	if err != nil {
		return err
	}
	defer s.Kill()
	rows, err := interleave(o.n, []variant{
		{"os/exec, no sandbox", trueCommand},
		{"command in a live sandbox", func() error { return trueIn(s, "") }},
		{"the same, with a filter of its own (strict)", func() error { return trueIn(s, policy.Strict) }},
		{"a live sandbox, opened and closed", func() error {
			box, err := live.Open(context.Background(), m, sandbox.Request{}, live.Options{})
			if err != nil {
				return err
			}
			return box.Kill()
		}},
	})
	if err != nil {
		return err
	}
	table(w, rows)
	rows, err = fromStock(o, m)
	if err != nil {
		return err
	}
	fmt.Fprintln(w)
	table(w, rows)
	return nil
}

// fromStock measures taking a sandbox from a stock and running one command in
// it. The stock is full again before each round, as it is when there is time
// between two: filling it is not measured.
func fromStock(o options, m *sandbox.Manager) ([]series, error) {
	stock := live.NewStock(m, sandbox.Request{}, live.Options{}, 2)
	defer stock.Close()
	rows := []series{{name: "os/exec, no sandbox"}, {name: "taken from a stock, and one command"}}
	for range o.n {
		for deadline := time.Now().Add(10 * time.Second); stock.Ready() < 2; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				return nil, errors.New("the stock is never full")
			}
		}
		start := time.Now()
		if err := trueCommand(); err != nil {
			return nil, err
		}
		rows[0].times = append(rows[0].times, time.Since(start))
		start = time.Now()
		box, err := stock.Take(context.Background())
		if err != nil {
			return nil, err
		}
		if err := trueIn(box, ""); err != nil {
			return nil, err
		}
		rows[1].times = append(rows[1].times, time.Since(start))
		if err := box.Kill(); err != nil {
			return nil, err
		}
	}
	for i := range rows {
		slices.Sort(rows[i].times)
	}
	return rows, nil
}

// idleSandboxes is how many benchLiveMemory opens.
const idleSandboxes = 100

// benchLiveMemory measures what idle live sandboxes hold.
func benchLiveMemory(w io.Writer, o options) error {
	m := liveManager(o)
	defer m.Close()
	before, err := kernelMemory()
	if err != nil {
		return err
	}
	var boxes []*live.Sandbox
	defer func() {
		for _, b := range boxes {
			_ = b.Kill()
		}
	}()
	for range idleSandboxes {
		b, err := live.Open(context.Background(), m, sandbox.Request{}, live.Options{})
		if err != nil {
			return err
		}
		boxes = append(boxes, b)
		if err := trueIn(b, ""); err != nil {
			return err
		}
	}
	time.Sleep(2 * time.Second) // the first process gives memory back when it is idle
	var pss, rss int64
	for _, b := range boxes {
		p, r, err := rollup(b.PID())
		if err != nil {
			return err
		}
		pss, rss = pss+p, rss+r
	}
	after, err := kernelMemory()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%d idle sandboxes, each after one command, on average:\n\n", idleSandboxes)
	for _, row := range []struct {
		name  string
		bytes int64
	}{
		{"proportional set (PSS) of the first process", pss},
		{"resident set (RSS) of the first process", rss},
		{"kernel: slabs, stacks and page tables", after - before},
	} {
		fmt.Fprintf(w, "%-44s %8d KiB\n", row.name, row.bytes/idleSandboxes>>10)
	}
	return nil
}

// rollup reads proc_pid_smaps_rollup(5), in bytes.
func rollup(pid int) (pss, rss int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	return kilobytes(text, "Pss:"), kilobytes(text, "Rss:"), err
}

// kernelMemory sums the kernel's own memory in /proc/meminfo, in bytes.
func kernelMemory() (int64, error) {
	text, err := os.ReadFile("/proc/meminfo")
	return kilobytes(text, "Slab:", "KernelStack:", "PageTables:", "Percpu:"), err
}

// kilobytes sums the lines with these names.
func kilobytes(text []byte, names ...string) (n int64) {
	for line := range strings.SplitSeq(string(text), "\n") {
		fields := strings.Fields(line)
		if len(fields) == 3 && slices.Contains(names, fields[0]) {
			kb, _ := strconv.ParseInt(fields[1], 10, 64)
			n += kb << 10
		}
	}
	return n
}

// streamSize is how much a stream carries in a measurement.
const streamSize = 512 << 20

// benchLiveStream measures streams and files.
func benchLiveStream(w io.Writer, o options) error {
	m := liveManager(o)
	defer m.Close()
	req := sandbox.Request{}
	req.Policy.Limits.Scratch = 1 << 30
	s, err := live.Open(context.Background(), m, req, live.Options{})
	if err != nil {
		return err
	}
	defer s.Kill()
	fmt.Fprintf(w, "%-44s %10s %10s\n", "", "best MB/s", "median")
	for _, v := range streams(s) {
		var rates []float64
		for range 7 {
			start := time.Now()
			if err := v.do(); err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
			rates = append(rates, streamSize/1e6/time.Since(start).Seconds())
		}
		slices.Sort(rates)
		fmt.Fprintf(w, "%-44s %10.0f %10.0f\n", v.name, rates[len(rates)-1], rates[len(rates)/2])
	}
	return nil
}

// streams are the ways for bytes in and out, each for streamSize of them.
func streams(s *live.Sandbox) []variant {
	ctx, size := context.Background(), strconv.Itoa(streamSize)
	zeros := func() io.Reader { return io.LimitReader(zeroReader{}, streamSize) }
	return []variant{
		{"stdout of os/exec, no sandbox", func() error {
			c := exec.Command("head", "-c", size, "/dev/zero")
			r, err := c.StdoutPipe()
			if err != nil {
				return err
			}
			return errors.Join(c.Start(), discard(r), c.Wait())
		}},
		{"stdout of a command", func() error {
			c := s.Command("head", "-c", size, "/dev/zero")
			r := c.StdoutPipe()
			if err := c.Start(ctx); err != nil {
				return err
			}
			defer r.Close()
			err := discard(r)
			_, e := c.Wait()
			return errors.Join(err, e)
		}},
		{"stdin of os/exec, no sandbox", func() error {
			c := exec.Command("cat")
			c.Stdin = zeros()
			return c.Run()
		}},
		{"stdin of a command", func() error {
			c := s.Command("sh", "-c", "cat >/dev/null")
			c.Stdin = zeros()
			_, err := c.Run(ctx)
			return err
		}},
		{"write a file", func() error {
			_, err := s.WriteFile(ctx, "/tmp/file", zeros(), guest.WriteOptions{})
			return err
		}},
		{"read a file", func() error {
			f, err := s.Open(ctx, "/tmp/file", 0, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			return discard(f)
		}},
	}
}

// discard reads what must be streamSize bytes.
func discard(r io.Reader) error {
	buf := make([]byte, 256<<10)
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, buf)
	if err == nil && n != streamSize {
		err = fmt.Errorf("%d bytes of %d", n, streamSize)
	}
	return err
}

// zeroReader is endless.
type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
