package service

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Checkup is what a host can enforce.
type Checkup struct {
	OK     bool // nothing that is required is missing
	Host   string
	Checks []Check
}

// Check is one capability of one layer.
type Check struct {
	Layer    policy.Layer
	Required bool // without it no sandbox of the layer starts
	sandbox.Capability
}

// selfTest is the check that really starts something.
const selfTest = "run a command"

// Doctor probes every layer, and runs one command in the default one: what
// works there is enough, whatever the probes say.
func (s *Sandboxes) Doctor(ctx context.Context) Checkup {
	c := Checkup{Host: host()}
	for _, l := range s.compartments.Layers() {
		for _, capability := range l.Probe(ctx) {
			c.Checks = append(c.Checks, Check{Layer: l.Name(), Capability: capability})
		}
	}

	test := s.selfTest(ctx)
	c.Checks = append(c.Checks, test)
	c.OK = test.OK
	return c
}

// selfTest runs true under the zero policy.
func (s *Sandboxes) selfTest(ctx context.Context) Check {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()

	check := Check{Layer: policy.Native, Required: true}
	check.Name = selfTest
	result, err := s.Exec(ctx, Command{Args: []string{"true"}}, sandbox.IO{})
	switch {
	case err != nil:
		check.Detail, check.Remedy = err.Error(), fault.HintOf(err)
	case result.ExitCode != 0:
		check.Detail = fmt.Sprintf("'true' ended with %d: %s", result.ExitCode, result.Stderr)
	default:
		check.OK, check.Detail = true, enforced(result.Report)
	}
	return check
}

// enforced counts the walls that stood around the test command.
func enforced(r event.Report) string {
	n := 0
	for _, s := range r.Steps {
		if s.Status == event.Enforced {
			n++
		}
	}
	text := fmt.Sprintf("%d of %d steps enforced", n, len(r.Steps))
	if len(r.Missing) > 0 {
		text += "; missing: " + strings.Join(r.Missing, ", ")
	}
	return text
}

// host is the kernel and the architecture.
func host() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return runtime.GOOS + " " + runtime.GOARCH
	}
	return fmt.Sprintf("%s %s %s", unix.ByteSliceToString(u.Sysname[:]), unix.ByteSliceToString(u.Release[:]), runtime.GOARCH)
}
