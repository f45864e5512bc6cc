package bulkhead_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/sandboxtest"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// TestMain finds the first process for the examples, and leaves the examples
// out on a host that cannot run sandboxes, unless it must be able to.
func TestMain(m *testing.M) {
	bulkhead.Init()
	flag.Parse()
	os.Exit(func() int {
		if why := prepare(); why != nil {
			if required := strings.Split(os.Getenv("BULKHEAD_REQUIRE"), ","); slices.Contains(required, "root") || slices.Contains(required, "user namespace") {
				fmt.Fprintln(os.Stderr, "this host must run sandboxes:", why)
				return 1
			}
			fmt.Fprintln(os.Stderr, "examples are left out: this host cannot run sandboxes:", why)
			_ = flag.Set("test.skip", "^(Example|TestSandbox|TestCmd|TestRun|TestStock)")
		}
		return sandboxtest.Main(m)
	}())
}

// prepare says why sandboxes cannot be run here.
func prepare() error {
	file, err := sandboxtest.InitProgram()
	if err != nil {
		return err
	}
	if err := os.Setenv("BULKHEAD_INIT", file); err != nil {
		return err
	}
	_, err = bulkhead.Run(context.Background(), policy.Policy{}, "true")
	return err
}
