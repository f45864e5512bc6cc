//go:build linux

package attack

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
)

// A template is a private root that is made ahead, for sandboxes without
// grants of their own: a work folder and payloads only. Root has them.

// fromTemplate takes the cell's grants away, so that a template is used. The
// writable folder is the work folder, and the victim is the payload.
func (c *cell) fromTemplate() {
	c.policy.Filesystem.Read, c.policy.Filesystem.Write = nil, nil
	c.work = true
}

// place moves a request into the places that a template has.
func (c *cell) place(req *sandbox.Request) {
	req.Workspace = c.writable
	req.Mounts = []sandbox.Mount{{Source: filepath.Dir(victim), Target: "/payloads"}}
	for i, arg := range req.Args {
		arg = strings.ReplaceAll(arg, victim, "/payloads/victim")
		req.Args[i] = strings.ReplaceAll(arg, c.writable, "/work")
	}
}

func TestTemplate_isUsedByTheRows(t *testing.T) {
	kerneltest.NeedRoot(t)
	for _, launcher := range launchers {
		c := newCell(t, row{}, launcher, nil)
		c.fromTemplate()
		for range 3 { // the first ones of a user make it
			c.attack("env")
		}
		req := sandbox.Request{Args: []string{victim}}
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
