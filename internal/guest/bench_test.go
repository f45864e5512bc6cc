//go:build linux

package guest_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/guest"
	"github.com/bulkhead-dev/bulkhead/internal/guest/guesttest"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
)

// median of durations.
func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// interleaved runs both again and again, so that what else the machine does
// falls on both, and reports the medians and their ratio.
func interleaved(b *testing.B, name string, ours, theirs func()) {
	var o, t []time.Duration
	timed := func(f func()) time.Duration {
		start := time.Now()
		f()
		return time.Since(start)
	}
	for range 10 {
		ours()
		theirs()
	}
	for b.Loop() {
		o = append(o, timed(ours))
		t = append(t, timed(theirs))
	}
	b.ReportMetric(float64(median(o).Nanoseconds())/1e3, "us/guest")
	b.ReportMetric(float64(median(t).Nanoseconds())/1e3, "us/"+name)
	b.ReportMetric(float64(median(o))/float64(median(t)), "ratio")
}

// booted is a guest as it is in use: the real first process.
func booted(b *testing.B, wrap func(io.ReadWriteCloser) io.ReadWriteCloser) *guesttest.Guest {
	b.Helper()
	kerneltest.NeedRoot(b)
	return &guesttest.Guest{Client: dial(b, wrap(boot(b))), Dir: b.TempDir(), First: true}
}

func BenchmarkExec_ofTrue(b *testing.B) {
	for _, c := range carriers {
		b.Run(c.name, func(b *testing.B) {
			g := booted(b, c.wrap)
			interleaved(b, "os-exec", func() {
				if exit, err := g.Command("/bin/true").Run(b.Context()); err != nil || exit.Code != 0 {
					b.Fatal(exit, err)
				}
			}, func() {
				cmd := exec.Command("/bin/true")
				cmd.Env = []string{}
				if err := cmd.Run(); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

func BenchmarkExec_withOutput(b *testing.B) {
	for _, c := range carriers {
		b.Run(c.name, func(b *testing.B) {
			g := booted(b, c.wrap)
			interleaved(b, "os-exec", func() {
				var out bytes.Buffer
				cmd := g.Command("/bin/echo", "hello")
				cmd.Stdout = &out
				if _, err := cmd.Run(b.Context()); err != nil || out.Len() != 6 {
					b.Fatal(out.String(), err)
				}
			}, func() {
				out, err := exec.Command("/bin/echo", "hello").Output()
				if err != nil || len(out) != 6 {
					b.Fatal(err)
				}
			})
		})
	}
}

const streamed = 256 << 20

func BenchmarkStream_fromACommand(b *testing.B) {
	for _, c := range carriers {
		b.Run(c.name, func(b *testing.B) {
			g := booted(b, c.wrap)
			args := []string{"/usr/bin/head", "-c", strconv.Itoa(streamed), "/dev/zero"}
			buf := make([]byte, 256<<10)
			drain := func(r io.Reader) {
				if n, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{r}, buf); err != nil || n != streamed {
					b.Fatal(n, err)
				}
			}
			b.SetBytes(streamed)
			interleaved(b, "pipe", func() {
				cmd := g.Command(args...)
				out := cmd.StdoutPipe()
				if err := cmd.Start(b.Context()); err != nil {
					b.Fatal(err)
				}
				drain(out)
				_ = out.Close()
				_, _ = cmd.Wait()
			}, func() {
				cmd := exec.Command(args[0], args[1:]...)
				out, _ := cmd.StdoutPipe()
				if err := cmd.Start(); err != nil {
					b.Fatal(err)
				}
				drain(out)
				_ = cmd.Wait()
			})
		})
	}
}

func BenchmarkFile(b *testing.B) {
	data := make([]byte, streamed)
	for _, c := range carriers {
		b.Run("write/"+c.name, func(b *testing.B) {
			g := booted(b, c.wrap)
			g.Dir = memoryDir(b)
			b.SetBytes(streamed)
			for b.Loop() {
				if _, err := g.WriteFile(b.Context(), g.Path("f"), bytes.NewReader(data), guest.WriteOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("read/"+c.name, func(b *testing.B) {
			g := booted(b, c.wrap)
			g.Dir = memoryDir(b)
			if _, err := g.WriteFile(b.Context(), g.Path("f"), bytes.NewReader(data), guest.WriteOptions{}); err != nil {
				b.Fatal(err)
			}
			buf := make([]byte, 1<<20)
			b.SetBytes(streamed)
			for b.Loop() {
				f, err := g.Open(b.Context(), g.Path("f"), 0, 0)
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{f}, buf)
				if err != nil || n != streamed {
					b.Fatal(n, err)
				}
				_ = f.Close()
			}
		})
	}
}

func BenchmarkTree(b *testing.B) {
	from, to := memoryDir(b), memoryDir(b)
	for i := range 64 {
		if err := os.WriteFile(filepath.Join(from, fmt.Sprint(i)), make([]byte, 4<<20), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	opt := guest.TreeOptions{Bytes: 1 << 30, Entries: 1000}
	for _, c := range carriers {
		b.Run("upload/"+c.name, func(b *testing.B) {
			g := booted(b, c.wrap)
			b.SetBytes(streamed)
			for b.Loop() {
				if _, err := g.Upload(b.Context(), from, to, opt); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("download/"+c.name, func(b *testing.B) {
			g := booted(b, c.wrap)
			b.SetBytes(streamed)
			for b.Loop() {
				if _, err := g.Download(b.Context(), from, to, opt); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// memoryDir is a folder in memory, so that no disk is measured.
func memoryDir(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "bulkhead-bench")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func BenchmarkIdle_memoryOfAHundred(b *testing.B) {
	kerneltest.NeedRoot(b)
	const fleet = 100
	for _, used := range []bool{false, true} {
		name := map[bool]string{false: "fresh", true: "used"}[used]
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				var pids []string
				for range fleet {
					g := dial(b, boot(b))
					if used {
						for range 20 {
							_, _ = g.Command("/bin/true").Run(b.Context())
						}
					}
					pids = append(pids, strconv.Itoa(initPID(b)))
				}
				time.Sleep(2 * time.Second)
				total := 0
				for _, pid := range pids {
					total += pss(b, pid)
				}
				b.ReportMetric(float64(total)/fleet, "KiB-PSS/init")
			}
		})
	}
}

// initPID is the newest process of that name.
func initPID(b *testing.B) int {
	out, err := exec.Command("pgrep", "-n", "-x", "bulkhead-init").Output()
	if err != nil {
		b.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		b.Fatal(err)
	}
	return n
}

func pss(b *testing.B, pid string) int {
	data, err := os.ReadFile("/proc/" + pid + "/smaps_rollup")
	if err != nil {
		b.Fatal(err)
	}
	for _, line := range strings.Split(string(data), "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
			n, _ := strconv.Atoi(f[1])
			return n
		}
	}
	b.Fatal("no Pss")
	return 0
}
