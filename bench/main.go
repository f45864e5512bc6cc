// Command bench compares Bulkhead with its peers and with what the machine can
// do at all. All variants of a comparison run interleaved in one process; the
// answer is text: p50, p95, p99, N, and the ratio to the first row.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// comparison is one table of the results.
type comparison struct {
	name string // of the file of results
	what string // the heading
	run  func(w io.Writer, o options) error
}

// comparisons are all of them, in the order in which they run.
var comparisons = []comparison{
	{"start", "start /bin/true and wait for its end", benchStart},
	{"live", "a command in a sandbox that stays, and a sandbox from a stock", benchLive},
	{"livememory", "what idle live sandboxes hold", benchLiveMemory},
	{"livestream", "streams and files of a live sandbox", benchLiveStream},
	{"job", "a job of one node, whose runner does nothing, on the embedded store", benchJob},
}

// options are what the command line says.
type options struct {
	n   int    // samples of each variant
	cli string // the bulkhead binary
	dir string // a folder for state, on the disk that is measured
}

func main() {
	becomeLauncher()

	o := options{}
	flag.IntVar(&o.n, "n", 300, "samples of each variant")
	flag.StringVar(&o.cli, "cli", "bin/bulkhead", "the bulkhead binary")
	flag.StringVar(&o.dir, "dir", "", "a folder for state (default: a new one in the temporary folder)")
	out := flag.String("out", "", "also write each result into this folder")
	only := flag.String("only", "", "run only the comparison of this name")
	flag.Parse()

	if err := run(o, *out, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options, out, only string) error {
	cli, err := filepath.Abs(o.cli)
	if err != nil {
		return err
	}
	o.cli = cli
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "bulkhead-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.dir = dir
	}
	for _, c := range comparisons {
		if only != "" && only != c.name {
			continue
		}
		if err := compare(c, o, out); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

// compare runs one comparison, prints it, and keeps it when out is a folder.
func compare(c comparison, o options, out string) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n%s\n\n", c.what, machine())
	if err := c.run(&b, o); err != nil {
		return err
	}
	fmt.Fprintln(&b)
	if _, err := os.Stdout.Write(b.Bytes()); err != nil || out == "" {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, c.name+".txt"), b.Bytes(), 0o644)
}

// machine says where and when it was measured.
func machine() string {
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	load, _ := os.ReadFile("/proc/loadavg")
	user := "an ordinary user"
	if os.Geteuid() == 0 {
		user = "root"
	}
	return fmt.Sprintf("linux %s, %s, %d CPUs, %s, as %s, load %s, %s",
		strings.TrimSpace(string(release)), runtime.GOARCH, runtime.NumCPU(), runtime.Version(), user,
		firstField(string(load)), time.Now().UTC().Format("2006-01-02"))
}

func firstField(s string) string {
	if fields := strings.Fields(s); len(fields) > 0 {
		return fields[0]
	}
	return "unknown"
}
