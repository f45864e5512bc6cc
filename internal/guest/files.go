//go:build linux

package guest

import (
	"context"
	"io/fs"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// FileInfo is what the sandbox says about one of its files.
type FileInfo struct {
	Name    string // the last element of its path; any bytes but "/" and NUL
	Mode    fs.FileMode
	Size    int64 // bytes
	ModTime time.Time
	UID     uint32 // as seen inside
	GID     uint32
	Target  string // of a symbolic link
}

// IsDir reports whether it is a folder.
func (i *FileInfo) IsDir() bool { return i.Mode.IsDir() }

// MaxEntries is how many entries a listing may have.
const MaxEntries = 1 << 20

// Stat describes the file at path, through symbolic links.
func (c *Client) Stat(ctx context.Context, path string) (FileInfo, error) {
	return c.stat(ctx, path, true)
}

// Lstat describes what stands at path, also if it is a symbolic link.
func (c *Client) Lstat(ctx context.Context, path string) (FileInfo, error) {
	return c.stat(ctx, path, false)
}

func (c *Client) stat(ctx context.Context, path string, follow bool) (FileInfo, error) {
	var m wire.Info
	err := c.ask(ctx, wire.KindStat, &wire.Path{Path: path, Follow: follow}, &m)
	if err != nil {
		return FileInfo{}, doing("stat", path, err)
	}
	return infoOf(&m), nil
}

// ReadDir lists a folder, sorted by name. It fails with fault.Exhausted when
// the folder has more than MaxEntries.
func (c *Client) ReadDir(ctx context.Context, path string) ([]FileInfo, error) {
	var list []FileInfo
	full := make(chan struct{})
	part := func(payload []byte, fds []int) error {
		var m wire.Infos
		if err := noFDs(fds); err != nil {
			return err
		}
		if err := wire.Parse(payload, &m); err != nil {
			return err
		}
		if len(list) > MaxEntries {
			return nil
		}
		for i := range m.List {
			if !element(m.List[i].Name) {
				return breach("a file name that is none")
			}
			list = append(list, infoOf(&m.List[i]))
		}
		if len(list) > MaxEntries {
			close(full)
		}
		return nil
	}
	err := c.gather(ctx, wire.KindList, &wire.Path{Path: path}, part, full)
	if err != nil {
		return nil, doing("list", path, err)
	}
	slices.SortFunc(list, func(a, b FileInfo) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// gather sends a request whose answer comes in parts. When full is closed the
// request is given up.
func (c *Client) gather(ctx context.Context, kind wire.Kind, req wire.Message, part func([]byte, []int) error, full chan struct{}) error {
	k, err := c.begin(kind, req, part, nil)
	if err != nil {
		return err
	}
	select {
	case <-full:
		k.drop()
		return fault.New(fault.Exhausted, "too many entries")
	case <-k.done:
	case <-ctx.Done():
	}
	return k.wait(ctx, &wire.Empty{})
}

// Mkdir makes a folder. The sandbox's mask (022) applies to perm.
func (c *Client) Mkdir(ctx context.Context, path string, perm fs.FileMode) error {
	return c.mkdir(ctx, path, perm, false)
}

// MkdirAll makes a folder and those above it that are missing.
func (c *Client) MkdirAll(ctx context.Context, path string, perm fs.FileMode) error {
	return c.mkdir(ctx, path, perm, true)
}

func (c *Client) mkdir(ctx context.Context, path string, perm fs.FileMode, parents bool) error {
	m := &wire.Mkdir{Path: path, Mode: uint32(perm.Perm()), Parents: parents}
	return doing("mkdir", path, c.ask(ctx, wire.KindMkdir, m, &wire.Empty{}))
}

// Remove removes a file, a link or an empty folder.
func (c *Client) Remove(ctx context.Context, path string) error {
	return doing("remove", path, c.ask(ctx, wire.KindRemove, &wire.Path{Path: path}, &wire.Empty{}))
}

// RemoveAll removes what stands at path with everything beneath, never
// through a link.
func (c *Client) RemoveAll(ctx context.Context, path string) error {
	return doing("remove", path, c.ask(ctx, wire.KindRemove, &wire.Path{Path: path, All: true}, &wire.Empty{}))
}

// Rename moves a file over what stands at the new path.
func (c *Client) Rename(ctx context.Context, from, to string) error {
	return doing("rename", from, c.ask(ctx, wire.KindRename, &wire.Rename{From: from, To: to}, &wire.Empty{}))
}

// RenameNew is Rename that fails with fault.Exists when something stands at
// the new path.
func (c *Client) RenameNew(ctx context.Context, from, to string) error {
	return doing("rename", from, c.ask(ctx, wire.KindRename, &wire.Rename{From: from, To: to, NoReplace: true}, &wire.Empty{}))
}

// infoOf turns the guest's description into ours.
func infoOf(m *wire.Info) FileInfo {
	return FileInfo{
		Name: m.Name, Mode: modeOf(m.Mode), Size: m.Size, ModTime: time.Unix(0, m.MTime),
		UID: m.UID, GID: m.GID, Target: m.Target,
	}
}

// types says what the kernel's file types are in io/fs.
var types = map[uint32]fs.FileMode{
	unix.S_IFREG:  0,
	unix.S_IFDIR:  fs.ModeDir,
	unix.S_IFLNK:  fs.ModeSymlink,
	unix.S_IFIFO:  fs.ModeNamedPipe,
	unix.S_IFSOCK: fs.ModeSocket,
	unix.S_IFCHR:  fs.ModeDevice | fs.ModeCharDevice,
	unix.S_IFBLK:  fs.ModeDevice,
}

func modeOf(m uint32) fs.FileMode {
	kind, ok := types[m&unix.S_IFMT]
	if !ok {
		kind = fs.ModeIrregular
	}
	mode := fs.FileMode(m&0o777) | kind
	for bit, flag := range map[uint32]fs.FileMode{unix.S_ISUID: fs.ModeSetuid, unix.S_ISGID: fs.ModeSetgid, unix.S_ISVTX: fs.ModeSticky} {
		if m&bit != 0 {
			mode |= flag
		}
	}
	return mode
}

// element reports whether a name is one element of a path.
func element(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= wire.MaxName && !strings.ContainsAny(name, "/\x00")
}

// noFDs refuses descriptors that nobody asked for.
func noFDs(fds []int) error {
	if len(fds) == 0 {
		return nil
	}
	wire.CloseAll(fds)
	return breach("descriptors that nobody asked for")
}
