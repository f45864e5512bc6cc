//go:build linux

package attack

import (
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
)

func TestTemplate_isUsedByTheRows(t *testing.T) {
	kerneltest.NeedRoot(t)
	for _, launcher := range launchers {
		c := house.cell(t, row{}, launcher, nil)
		c.fromTemplate()
		for range 3 { // the first ones of a user make it
			c.attack("env")
		}
		req := sandbox.Request{Args: []string{c.victim}}
		c.place(&req)
		plan, err := c.manager().Plan(t.Context(), req)
		c.must(err)
		var b strings.Builder
		c.must(plan.Print(&b))
		c.must(plan.Close())
		if !strings.Contains(b.String(), "CLONE_NEWNS)\n") || strings.Contains(b.String(), "pivot_root(") {
			t.Errorf("%s: no template was used:\n%s", launcher, b.String())
		}
	}
}
