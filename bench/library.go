package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bulkhead-dev/bulkhead/internal/jail/reexec"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/native"
)

// inLibrary is the sandbox as a library, with each of its launchers.
func inLibrary(o options) []variant {
	return []variant{
		{"bulkhead library", sandboxed(o, "program")},
		{"bulkhead library, portable launcher", sandboxed(o, "reexec")},
	}
}

// sandboxed runs /bin/true under the zero policy: plan, start, wait, report.
func sandboxed(o options, launcher string) func() error {
	opt := native.Options{Launcher: launcher}
	if os.Geteuid() != 0 {
		opt.LeaseDir = filepath.Join(o.dir, "uids")
	}
	m := sandbox.New(native.New(opt))
	return func() error {
		r, err := m.Run(context.Background(), sandbox.Request{Args: []string{"/bin/true"}}, sandbox.IO{})
		if err == nil && r.ExitCode != 0 {
			err = fmt.Errorf("exit code %d: %s", r.ExitCode, r.Stderr)
		}
		return err
	}
}

// becomeLauncher takes over when the portable launcher started this program.
func becomeLauncher() { reexec.Init() }
