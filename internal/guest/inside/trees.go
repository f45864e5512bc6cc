//go:build linux

package inside

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/guest/tree"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// upload unpacks a tree into a folder, which is made if it is missing.
func upload(o *op, m *wire.Tree, in int) (wire.Message, error) {
	f := os.NewFile(uintptr(in), "stream")
	defer f.Close()
	if err := o.s.mkdir(m.Path, 0o755, true); err != nil {
		return nil, at(wire.WherePath, err)
	}
	dir, err := o.s.root.OpenDir(m.Path)
	if err != nil {
		return nil, at(wire.WherePath, err)
	}
	defer unix.Close(dir)
	// Every link is made as it is: it leads nowhere but into the sandbox.
	sum, err := tree.Receive(f, dir, tree.Options{Bytes: m.Bytes, Entries: m.Entries, Links: tree.KeepOutside})
	return &wire.TreeSum{Entries: sum.Entries, Bytes: sum.Bytes, Left: sum.Left}, at(wire.WhereTree, err)
}

// download packs a folder.
func download(o *op, m *wire.Tree) (wire.Message, error) {
	o.owe(0)
	dir, err := o.s.root.OpenDir(m.Path)
	if err != nil {
		return nil, at(wire.WherePath, err)
	}
	defer unix.Close(dir)
	out, err := o.output(0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(out), "stream")
	defer f.Close()
	sum, err := tree.Send(f, dir, tree.Options{Bytes: m.Bytes, Entries: m.Entries, SkipOthers: m.SkipOthers})
	return &wire.TreeSum{Entries: sum.Entries, Bytes: sum.Bytes, Left: sum.Left}, at(wire.WhereTree, err)
}
