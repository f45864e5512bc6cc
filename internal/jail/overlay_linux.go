package jail

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/spawn"
)

// layerRoom is where the layers of overlays stand while these are mounted. An
// overlay holds on to its layers itself, so afterwards the room is emptied.
const layerRoom = "/.bulkhead/layers"

// Names in the folder of an upper layer.
const (
	upperName = "fs"
	workName  = "work"
)

// overlay is an overlay of the spec with the detached mounts of its layers:
// the upper one first.
type overlay struct {
	Overlay
	layers []spawn.Slot
}

// layerBinds are the layers as mounts. They are seen through the same id map
// as any grant. The map must also have the one who mounts, host uid 0, because
// the kernel makes files of its own in the upper layer: see ovl_workdir_create.
func (o Overlay) layerBinds() []Bind {
	binds := []Bind{{Source: o.Upper, Write: true, Folder: true, Mapped: o.Mapped}}
	for _, dir := range o.Lower {
		binds = append(binds, Bind{Source: dir, Folder: true, Mapped: o.Mapped})
	}
	return binds
}

// layerSources cuts the layers of every overlay out of the host's tree.
// Mounts beneath a layer are not part of it: overlayfs does not cross them.
func (b *builder) layerSources() {
	for _, o := range b.spec.Overlays {
		made := overlay{Overlay: o}
		for _, l := range o.layerBinds() {
			made.layers = append(made.layers, b.cut(l, false))
		}
		b.overlays = append(b.overlays, made)
	}
}

// cut makes a detached copy of the mount at a host path, closed down; with
// what is mounted beneath, if below is true. Links are refused on the way, so
// that a path swapped after the plan is not followed.
func (b *builder) cut(bind Bind, below bool) spawn.Slot {
	how := openHow(unix.O_PATH|unix.O_CLOEXEC, unix.RESOLVE_NO_SYMLINKS)
	at, tree := b.fd, b.Slot(1)
	b.Call("openat2", unix.SYS_OPENAT2, spawn.Flag(unix.AT_FDCWD, "AT_FDCWD"), spawn.Str(bind.Source), spawn.Data(how, "{O_PATH|O_CLOEXEC, RESOLVE_NO_SYMLINKS}"), spawn.Int(len(how))).Into(at)
	flags := spawn.Flag(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH, "OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_EMPTY_PATH")
	if below {
		flags = spawn.Flag(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, "OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_EMPTY_PATH|AT_RECURSIVE")
	}
	b.Call("open_tree", unix.SYS_OPEN_TREE, at.Value(), spawn.Str(""), flags).Into(tree)
	b.Call("close", unix.SYS_CLOSE, at.Value())
	b.attributes(tree, bind)
	return tree
}

// attach puts a detached mount at a place of the new tree.
func (b *builder) attach(tree spawn.Slot, target string) {
	b.Call("move_mount", unix.SYS_MOVE_MOUNT, tree.Value(), spawn.Str(""), spawn.Flag(unix.AT_FDCWD, "AT_FDCWD"), spawn.Str(rel(target)), spawn.Flag(unix.MOVE_MOUNT_F_EMPTY_PATH, "MOVE_MOUNT_F_EMPTY_PATH"))
	b.Call("close", unix.SYS_CLOSE, tree.Value())
}

// layerRooms makes the mount points of overlays and a file system in which
// their layers stand for a moment.
func (b *builder) layerRooms(made map[string]bool) {
	if len(b.spec.Overlays) == 0 {
		return
	}
	for _, o := range b.spec.Overlays {
		b.mkdirs(made, o.Target, 0o755)
	}
	b.mkdirs(made, layerRoom, 0o700)
	b.tmpfs(rel(layerRoom), "mode=700,size=64k,nr_inodes=1k", unix.MS_NOSUID|unix.MS_NODEV, "MS_NOSUID|MS_NODEV")
	for i, o := range b.spec.Overlays {
		for j := range len(o.Lower) + 1 {
			b.mkdirs(made, layerPlace(i, j), 0o700)
		}
	}
}

// layerPlace is where the j-th layer of the i-th overlay stands.
func layerPlace(i, j int) string { return path.Join(layerRoom, fmt.Sprint(i), fmt.Sprint(j)) }

// shown is one thing to attach, at its place.
type shown struct {
	target string
	put    func()
}

// showAll attaches binds and overlays, parents before children.
func (b *builder) showAll() {
	var all []shown
	for i, bind := range b.spec.Binds {
		all = append(all, shown{bind.Target, func() { b.attach(b.trees[i], bind.Target) }})
	}
	for i, o := range b.overlays {
		all = append(all, shown{o.Target, func() { b.overlay(i, o) }})
	}
	slices.SortStableFunc(all, func(x, y shown) int { return cmp.Compare(x.target, y.target) })
	for _, s := range all {
		s.put()
	}
	if len(b.overlays) > 0 {
		b.Call("umount2", unix.SYS_UMOUNT2, spawn.Str(rel(layerRoom)), spawn.Flag(unix.MNT_DETACH, "MNT_DETACH"))
	}
}

// overlay mounts the i-th overlay. Everything that makes one file depend on
// another is off: a changed file is whole in the upper layer, and a renamed
// folder is copied, so the layer can be read without the kernel's help and a
// mark in it leads nowhere. Names are ours, so nothing needs an escape.
func (b *builder) overlay(i int, o overlay) {
	var lower []string
	for j, tree := range o.layers {
		b.attach(tree, layerPlace(i, j))
		if j > 0 {
			lower = append(lower, rel(layerPlace(i, j)))
		}
	}
	upper := rel(layerPlace(i, 0))
	options := "lowerdir=" + strings.Join(lower, ":") + ",upperdir=" + path.Join(upper, upperName) + ",workdir=" + path.Join(upper, workName)
	if o.User {
		options += ",userxattr" // implies the two below: Documentation/filesystems/overlayfs.rst
	} else {
		options += ",redirect_dir=nofollow,metacopy=off"
	}
	options += ",index=off,xino=off"
	b.Call("mount", unix.SYS_MOUNT, spawn.Str("overlay"), spawn.Str(rel(o.Target)), spawn.Str("overlay"), spawn.Flag(unix.MS_NOSUID|unix.MS_NODEV, "MS_NOSUID|MS_NODEV"), spawn.Str(options))
}

// pins mounts places of the new tree over themselves: a mount point cannot be
// renamed or removed, and a read-only one cannot be written. The list goes
// from parents to children. A link on the way, planted after the plan, stops
// the start.
func (b *builder) pins() {
	if len(b.spec.Pins) == 0 || slices.Contains(b.spec.Drop, StepProtect) {
		return
	}
	b.Step(StepProtect)
	how := openHow(unix.O_PATH|unix.O_CLOEXEC, unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_BENEATH)
	readOnly := make([]byte, 32)
	binary.LittleEndian.PutUint64(readOnly, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	at, tree := b.fd, b.Slot(1)
	for _, p := range b.spec.Pins {
		b.Call("openat2", unix.SYS_OPENAT2, spawn.Flag(unix.AT_FDCWD, "AT_FDCWD"), spawn.Str(rel(p.Path)), spawn.Data(how, "{O_PATH|O_CLOEXEC, RESOLVE_NO_SYMLINKS|RESOLVE_BENEATH}"), spawn.Int(len(how))).Into(at)
		b.Call("open_tree", unix.SYS_OPEN_TREE, at.Value(), spawn.Str(""), spawn.Flag(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, "OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_EMPTY_PATH|AT_RECURSIVE")).Into(tree)
		if !p.Write {
			b.Call("mount_setattr", unix.SYS_MOUNT_SETATTR, tree.Value(), spawn.Str(""), spawn.Flag(unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, "AT_EMPTY_PATH|AT_RECURSIVE"), spawn.Data(readOnly, "{RDONLY|NOSUID|NODEV}"), spawn.Int(len(readOnly)))
		}
		b.Call("move_mount", unix.SYS_MOVE_MOUNT, tree.Value(), spawn.Str(""), at.Value(), spawn.Str(""), spawn.Flag(unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH, "MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH"))
		b.Call("close", unix.SYS_CLOSE, tree.Value())
		b.Call("close", unix.SYS_CLOSE, at.Value())
	}
}
