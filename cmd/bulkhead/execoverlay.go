package main

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/bulkhead-dev/bulkhead/internal/daemon"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
	"github.com/bulkhead-dev/bulkhead/internal/service"
	"github.com/bulkhead-dev/bulkhead/internal/workspace"
)

// runOver is runExec over an overlay.
func (p program) runOver(ctx context.Context, c service.Command, f *overlayFlags, asJSON, quiet bool) error {
	over, err := f.over()
	if err != nil {
		return err
	}
	ctx, caught, stop := interruptible(ctx)
	defer stop()

	streams := sandbox.IO{Stdin: p.in}
	if !asJSON {
		streams.Stdout, streams.Stderr = p.out, p.err
	}
	sandboxes, err := daemon.Sandboxes(p.getenv)
	if err != nil {
		return err
	}
	defer sandboxes.Close()
	result, written, err := sandboxes.ExecOver(ctx, c, over, streams)
	if err != nil {
		if written.Kept {
			p.complain("what it wrote is kept in workspace %s", written.Name)
		}
		return err
	}

	if asJSON {
		m := wire.ExecResult(result)
		m.Workspace = wire.Written(written)
		err = p.json(m)
	} else {
		p.printAfterOver(result, written, f.diff, quiet)
	}
	if err != nil {
		return err
	}
	return exitOf(execCode(result, caught()))
}

// printAfterOver says on stderr what became of what was written.
func (p program) printAfterOver(r sandbox.Result, w service.Written, diff, quiet bool) {
	if !quiet {
		p.printAfterExec(r)
	}
	if diff {
		for _, c := range w.Changes {
			p.complain("%s", changeLine(c))
		}
		if len(w.Changes) == 0 {
			p.complain("it wrote nothing to the overlay")
		}
	}
	if !quiet {
		p.printWritten(w)
	}
}

// printWritten says what was committed, held back and kept.
func (p program) printWritten(w service.Written) {
	if n := len(w.Outcome.Done); n > 0 {
		p.complain("committed: %s", number(n, "change"))
	}
	for _, h := range w.Outcome.Held {
		p.complain("held back: %s: %s", oneLine(h.Change.Path), oneLine(h.Why))
	}
	if w.Note != "" {
		p.complain("not committed: %s", w.Note)
	}
	if w.Kept {
		p.complain("what it wrote is kept in workspace %s", w.Name)
		p.complain("hint: 'bulkhead workspace diff %[1]s', then 'bulkhead workspace commit %[1]s' or 'bulkhead workspace discard %[1]s'", w.Name)
	}
}

// number is a number of things.
func number(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// letters are how a listing of changes says what happened.
var letters = map[workspace.Op]string{workspace.Added: "A", workspace.Changed: "M", workspace.Removed: "D", workspace.Mode: "P"}

// changeLine is one change: what happened, where, and what to know about it.
func changeLine(c workspace.Change) string {
	line := letters[c.Op] + " " + oneLine(c.Path)
	if c.Kind == workspace.Dir {
		line += "/"
	}
	if c.Target != "" {
		line += " -> " + oneLine(c.Target)
	}
	if c.Was != "" {
		line += ", was a " + string(c.Was)
	}
	if c.Entries > 0 {
		line += fmt.Sprintf(", with all in it (%d)", c.Entries)
	}
	if c.Op == workspace.Mode || c.Op == workspace.Changed && c.Was == "" && c.Mode != c.WasMode && c.WasMode != 0 {
		line += fmt.Sprintf(", %04o instead of %04o", c.Mode.Perm(), c.WasMode.Perm())
	}
	if c.Mode&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
		line += ", setuid or setgid"
	}
	switch {
	case c.Problem != "":
		line += " (cannot be committed: " + oneLine(c.Problem) + ")"
	case c.Protected != "":
		line += " (protected: " + oneLine(c.Protected) + ")"
	}
	return line
}
