//go:build linux

package inside

import (
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/guest/beneath"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// stat describes a file.
func stat(o *op, m *wire.Path) (wire.Message, error) {
	st, p, err := o.s.root.Stat(m.Path, m.Follow)
	if err != nil {
		return nil, at(wire.WherePath, err)
	}
	defer p.Close()
	return info(p, &st), nil
}

func info(p beneath.Parent, st *unix.Stat_t) *wire.Info {
	i := &wire.Info{Name: p.Name, Mode: st.Mode, Size: st.Size, MTime: st.Mtim.Nano(), UID: st.Uid, GID: st.Gid}
	if p.Name == "." {
		i.Name = "/"
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		i.Target, _ = beneath.Readlink(p.Dir, p.Name)
	}
	return i
}

// list describes what is in a folder, in the order of the file system.
func list(o *op, m *wire.Path) (wire.Message, error) {
	fd, err := o.s.root.OpenDir(m.Path)
	if err != nil {
		return nil, at(wire.WherePath, err)
	}
	dir := os.NewFile(uintptr(fd), "folder")
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(256)
		if err == io.EOF {
			return &wire.Empty{}, nil
		}
		if err != nil {
			return nil, at(wire.WhereRead, err)
		}
		if err := o.part(describe(fd, names)); err != nil {
			return nil, at(wire.WhereRead, err)
		}
	}
}

func describe(dir int, names []string) *wire.Infos {
	var part wire.Infos
	size := 0
	for _, name := range names {
		p := beneath.Parent{Dir: dir, Name: name}
		var st unix.Stat_t
		if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			continue // removed since it was listed
		}
		i := info(p, &st)
		if size += len(i.Name) + len(i.Target); size > wire.MaxReply/2 {
			i.Target = "" // 256 links of 4 KiB would not fit
		}
		part.List = append(part.List, *i)
	}
	return &part
}

// mkdir makes a folder.
func mkdir(o *op, m *wire.Mkdir) (wire.Message, error) {
	return &wire.Empty{}, at(wire.WherePath, o.s.mkdir(m.Path, m.Mode, m.Parents))
}

func (s *session) mkdir(name string, mode uint32, parents bool) error {
	p, err := s.root.Resolve(name, parents)
	if err == unix.ENOENT && parents {
		up := path.Dir(strings.TrimRight(name, "/"))
		if err = s.mkdir(up, mode, true); err == nil {
			p, err = s.root.Resolve(name, true)
		}
	}
	if err != nil {
		return err
	}
	defer p.Close()
	err = unix.Mkdirat(p.Dir, p.Name, mode&0o7777)
	if err == unix.EEXIST && parents {
		fd, e := p.OpenDir()
		if e != nil {
			return err // it is no folder
		}
		return unix.Close(fd)
	}
	return err
}

// rename moves a file.
func rename(o *op, m *wire.Rename) (wire.Message, error) {
	from, err := o.s.root.Resolve(m.From, false)
	if err != nil {
		return nil, at(wire.WherePath, err)
	}
	defer from.Close()
	to, err := o.s.root.Resolve(m.To, false)
	if err != nil {
		return nil, at(wire.WherePath, err)
	}
	defer to.Close()
	var flags uint
	if m.NoReplace {
		flags = unix.RENAME_NOREPLACE
	}
	return &wire.Empty{}, at(wire.WherePath, unix.Renameat2(from.Dir, from.Name, to.Dir, to.Name, flags))
}

// remove removes a file or an empty folder, or with All everything beneath.
func remove(o *op, m *wire.Path) (wire.Message, error) {
	p, err := o.s.root.Resolve(m.Path, false)
	if err != nil {
		return nil, at(wire.WherePath, err)
	}
	defer p.Close()
	if p.Name == "." {
		return nil, at(wire.WherePath, unix.EBUSY)
	}
	return &wire.Empty{}, at(wire.WherePath, removeAt(p, m.All))
}

func removeAt(p beneath.Parent, all bool) error {
	err := unix.Unlinkat(p.Dir, p.Name, 0)
	if err != unix.EISDIR && err != unix.EPERM { // EPERM: POSIX's word for a folder
		return err
	}
	err = unix.Unlinkat(p.Dir, p.Name, unix.AT_REMOVEDIR)
	if !all || err != unix.ENOTEMPTY && err != unix.EEXIST {
		return err
	}
	if err := empty(p); err != nil {
		return err
	}
	return unix.Unlinkat(p.Dir, p.Name, unix.AT_REMOVEDIR)
}

// empty removes what is in a folder, never through a link.
func empty(p beneath.Parent) error {
	fd, err := p.OpenDir()
	if err != nil {
		return err
	}
	dir := os.NewFile(uintptr(fd), "folder")
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		err := removeAt(beneath.Parent{Dir: fd, Name: name}, true)
		if err != nil && err != unix.ENOENT {
			return err
		}
	}
	return nil
}
