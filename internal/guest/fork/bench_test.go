//go:build linux

package fork

import (
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkStart compares with Go's own fork, in turn.
func BenchmarkStart(b *testing.B) {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(null)
	c := &Command{Path: "/bin/true", Args: []string{"true"}, Stdio: [3]int{null, null, null}}
	ours := func() {
		pid, err := Start(c)
		if err != nil {
			b.Fatal(err)
		}
		collect(pid)
	}
	raw := func() {
		pid, err := syscall.ForkExec("/bin/true", []string{"true"}, &syscall.ProcAttr{Files: []uintptr{uintptr(null), uintptr(null), uintptr(null)}, Sys: &syscall.SysProcAttr{Setsid: true}})
		if err != nil {
			b.Fatal(err)
		}
		collect(pid)
	}
	std := func() {
		if err := exec.Command("/bin/true").Run(); err != nil {
			b.Fatal(err)
		}
	}
	names := []string{"us/fork", "us/syscall", "us/os-exec"}
	took := make([][]time.Duration, 3)
	for b.Loop() {
		for i, f := range []func(){ours, raw, std} {
			start := time.Now()
			f()
			took[i] = append(took[i], time.Since(start))
		}
	}
	for i, d := range took {
		slices.Sort(d)
		b.ReportMetric(float64(d[len(d)/2].Nanoseconds())/1e3, names[i])
	}
}
