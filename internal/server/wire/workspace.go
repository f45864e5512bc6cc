package wire

import (
	"io/fs"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/service"
	"github.com/bulkhead-dev/bulkhead/internal/workspace"
)

// Written is what a command wrote to an overlay.
func Written(w service.Written) *apiv1.Written {
	return &apiv1.Written{
		Name: w.Name, Kept: w.Kept, Note: clean(w.Note),
		Changes: ChangeList(w.Changes), Committed: ChangeList(w.Outcome.Done),
		Held: each(w.Outcome.Held, func(h workspace.Held) *apiv1.Held {
			return &apiv1.Held{Change: Change(h.Change), Why: clean(h.Why)}
		}),
	}
}

// ChangeList is a list of differences.
func ChangeList(list []workspace.Change) []*apiv1.Change { return each(list, Change) }

// Change is one difference.
func Change(c workspace.Change) *apiv1.Change {
	return &apiv1.Change{
		Path: clean(c.Path), Op: string(c.Op), Kind: string(c.Kind), Was: string(c.Was),
		Size: float64(c.Size), Mode: mode(c.Mode, c.Kind, c.Op != workspace.Removed), WasMode: mode(c.WasMode, was(c), c.Op != workspace.Added),
		Target: clean(c.Target), Entries: int32(c.Entries),
		Protected: clean(c.Protected), Problem: clean(c.Problem),
	}
}

// was is the kind before.
func was(c workspace.Change) workspace.Kind {
	if c.Was != "" {
		return c.Was
	}
	return c.Kind
}

// mode is permissions as ls(1) prints them; empty where there is nothing, and
// for links, which have none.
func mode(m fs.FileMode, kind workspace.Kind, there bool) string {
	switch {
	case !there || kind == workspace.Link:
		return ""
	case kind == workspace.Dir:
		m |= fs.ModeDir
	}
	return m.String()
}

// Changes is what differs between a workspace and the host.
func Changes(name string, list []workspace.Change) *apiv1.Changes {
	return &apiv1.Changes{Name: name, Changes: ChangeList(list)}
}

// Workspaces is a listing.
func Workspaces(list []workspace.Info) *apiv1.Workspaces {
	return &apiv1.Workspaces{Workspaces: each(list, Workspace)}
}

// Workspace is one workspace.
func Workspace(i workspace.Info) *apiv1.Workspace {
	return &apiv1.Workspace{
		Name: i.Name, Created: Time(i.Created), Parent: i.Parent,
		Folders: each(i.Folders, func(f workspace.Folder) *apiv1.WorkspaceFolder {
			return &apiv1.WorkspaceFolder{Source: clean(f.Source), Layers: int32(len(f.Layers))}
		}),
	}
}
