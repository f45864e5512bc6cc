// Package workspace keeps what sandboxes wrote to folders of the host without
// writing to them: layers above the folders, which can be looked at, committed
// file by file, thrown away, frozen and forked.
//
// What a layer holds was made by the sandbox and is hostile. It is read
// without following a link, with bounds on everything, and a commit refuses
// what is no plain file, folder or link, what leads out of the folder, and
// what is protected: see policy.Guard.
//
// A workspace has one holder at a time: whoever runs a sandbox over it or
// looks at it. Nothing is read while a sandbox writes.
package workspace

import (
	"os"
	"path/filepath"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// Info is what is known about a workspace. It is kept as JSON.
type Info struct {
	Version int       `json:"version"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Parent  string    `json:"parent,omitempty"`  // the workspace that it was forked from; empty: none
	Marks   Marks     `json:"marks"`             // how the kernel's marks in its layers are called
	Protect []string  `json:"protect,omitempty"` // Filesystem.Protect of the policy that it was made under
	Folders []Folder  `json:"folders"`
}

// Folder is one host folder with its layers.
type Folder struct {
	Source string    `json:"source"`           // the host folder: absolute, clean, without links
	Layers []string  `json:"layers,omitempty"` // ids of frozen layers, the topmost first
	Upper  string    `json:"upper"`            // id of the layer that is written
	Since  time.Time `json:"since"`            // what changed in Source later than this, the sandbox may not have seen

	// Written is what a commit wrote itself, by the path in Source: the time
	// of change in nanoseconds that it left behind.
	Written map[string]int64 `json:"written,omitempty"`
}

// Marks is the namespace of the extended attributes by which overlayfs marks
// folders as opaque and files as removed.
type Marks string

// The marks of a privileged and of an ordinary user's overlays.
const (
	Trusted Marks = "trusted.overlay."
	User    Marks = "user.overlay."
)

// ownMarks are the marks of overlays that this process mounts.
func ownMarks() Marks {
	if os.Geteuid() == 0 {
		return Trusted
	}
	return User
}

// version of the form of Info.
const version = 1

// Overlay is a folder of a workspace as a sandbox needs it; the paths are
// absolute.
type Overlay struct {
	Source string
	Layers []string // the topmost first
	Upper  string   // has the folders fs and work
}

// Workspace is a workspace that is held. It is not safe for concurrent use.
type Workspace struct {
	store *Store
	info  Info
	lock  *os.File // nil: released
}

// Info returns what is known about it.
func (w *Workspace) Info() Info { return w.info }

// Overlays are the folders as a sandbox needs them.
func (w *Workspace) Overlays() []Overlay {
	var all []Overlay
	for _, f := range w.info.Folders {
		o := Overlay{Source: f.Source, Upper: w.store.layer(f.Upper)}
		for _, id := range f.Layers {
			o.Layers = append(o.Layers, filepath.Join(w.store.layer(id), layerTree))
		}
		all = append(all, o)
	}
	return all
}

// Release lets others hold the workspace. It may be called twice.
func (w *Workspace) Release() {
	if w.lock != nil {
		w.lock.Close()
		w.lock = nil
	}
}

// held refuses to work on a workspace that was released.
func (w *Workspace) held() error {
	if w.lock == nil {
		return fault.Newf(fault.Internal, "workspace %q is not held", w.info.Name)
	}
	return nil
}

// Discard throws the workspace away with everything that was written. The host
// folders are untouched. It releases the workspace.
func (w *Workspace) Discard() error {
	if err := w.held(); err != nil {
		return err
	}
	defer w.Release()
	return w.store.locked(func() error {
		if err := w.store.removeNamed(w.info.Name); err != nil {
			return err
		}
		return w.store.sweep()
	})
}
