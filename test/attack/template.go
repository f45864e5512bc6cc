//go:build linux

package attack

import (
	"path/filepath"
	"strings"

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
	req.Mounts = []sandbox.Mount{{Source: filepath.Dir(c.victim), Target: "/payloads"}}
	for i, arg := range req.Args {
		arg = strings.ReplaceAll(arg, c.victim, "/payloads/"+filepath.Base(c.victim))
		req.Args[i] = strings.ReplaceAll(arg, c.writable, "/work")
	}
}
