package native

import (
	"fmt"
	"os"
	"slices"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/jail"
)

// dangerous are walls that keep a later step from changing the host: who drops
// one drops that step too.
var dangerous = []struct{ without, also string }{
	{"mount namespace", jail.StepRoot},
	{"uts namespace", jail.StepNamespaces},
}

// drop prepares a plan whose walls are left out by a test. Without the private
// root the command runs on the host's own tree, so the first process must be
// a file there, and Landlock can only name what the host has.
func (pl *plan) drop() error {
	pl.spec.Drop = pl.layer.opt.Drop
	for _, d := range dangerous {
		if slices.Contains(pl.spec.Drop, d.without) && !slices.Contains(pl.spec.Drop, d.also) {
			return fault.Newf(fault.Invalid, "without the %s the step %q would change the host itself; drop both", d.without, d.also)
		}
	}
	if !slices.Contains(pl.spec.Drop, jail.StepRoot) {
		return nil
	}
	init, err := hostInit(pl.spec.Files)
	if err != nil {
		return err
	}
	pl.spec.Init, pl.spec.Dir = init, pl.req.Workspace
	if pl.spec.Dir == "" {
		pl.spec.Dir = "/"
	}
	for i, r := range pl.spec.Rules {
		if r.Path == initPath {
			pl.spec.Rules[i].Path = init
		}
	}
	pl.spec.Rules = slices.DeleteFunc(pl.spec.Rules, func(r jail.Rule) bool {
		_, err := os.Stat(r.Path)
		return err != nil
	})
	return nil
}

// hostInit writes the first process into a file of the host, for everybody to
// run. Tests remove it with their temporary folder.
func hostInit(files []jail.File) (string, error) {
	f, err := os.CreateTemp("", "bulkhead-init-*")
	if err != nil {
		return "", err
	}
	defer f.Close()
	i := slices.IndexFunc(files, func(f jail.File) bool { return f.Path == initPath })
	if _, err := f.Write(files[i].Data); err != nil {
		return "", fmt.Errorf("write first process: %w", err)
	}
	return f.Name(), f.Chmod(0o755)
}
