package workspace

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// MaxLayers is how many frozen layers a folder may have.
const MaxLayers = 14

// Snapshot freezes what was written so far: it becomes a layer that is never
// written again, and the workspace goes on in a new one above it. A workspace
// in which nothing was written since stays as it is.
func (w *Workspace) Snapshot() error {
	if err := w.held(); err != nil {
		return err
	}
	return w.store.locked(w.freeze)
}

// freeze is Snapshot while the store is locked.
func (w *Workspace) freeze() error {
	info := w.info
	info.Folders = slices.Clone(info.Folders)
	for i := range info.Folders {
		f := &info.Folders[i]
		if w.store.isEmpty(f.Upper) {
			continue
		}
		if len(f.Layers) >= MaxLayers {
			return fault.Newf(fault.Exhausted, "%s has %d frozen layers already", f.Source, len(f.Layers)).
				WithHint("commit or discard the workspace")
		}
		f.Layers = append([]string{f.Upper}, f.Layers...)
		if err := w.store.newUpper(f); err != nil {
			return err
		}
	}
	if err := w.store.save(info); err != nil {
		return err
	}
	w.info = info
	return nil
}

// isEmpty says whether nothing was written to a layer.
func (s *Store) isEmpty(id string) bool {
	entries, err := os.ReadDir(filepath.Join(s.layer(id), layerTree))
	return err == nil && len(entries) == 0
}

// Fork makes a second workspace that begins where this one is now, and holds
// it. Both share what was written so far, which is frozen, and nothing of what
// is written later. An empty name is made up.
func (w *Workspace) Fork(name string) (*Workspace, error) {
	if err := w.held(); err != nil {
		return nil, err
	}
	if name == "" {
		name = "w-" + randomID()[:8]
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	var fork *Workspace
	err := w.store.locked(func() error {
		if err := w.freeze(); err != nil {
			return err
		}
		info := w.info
		info.Name, info.Parent, info.Created = name, w.info.Name, time.Now()
		info.Folders = slices.Clone(info.Folders)
		for i := range info.Folders {
			f := &info.Folders[i]
			f.Layers, f.Written = slices.Clone(f.Layers), maps.Clone(f.Written)
		}
		var err error
		fork, err = w.store.add(info)
		return err
	})
	return fork, err
}
