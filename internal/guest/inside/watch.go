//go:build linux

package inside

import (
	"encoding/binary"
	"errors"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/guest/beneath"
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// The bounds of one recursive watch.
const (
	maxWatches    = 8192
	maxWatchDepth = 64
)

// watcher is one watch: an inotify(7) instance with a watch for each folder.
type watcher struct {
	root      int // what is watched
	recursive bool
	fd        int
	file      *os.File
	folders   map[int32]string // watch to path, relative to the root
	cut       bool             // there are more folders than may be watched
	found     []wire.Event     // what was in a folder before it was watched
	started   bool             // the host knows what is there
}

// watch reports changes until it is cancelled.
func watch(o *op, m *wire.Watch) (wire.Message, error) {
	w, err := o.s.watcher(m)
	if err != nil {
		return nil, at(wire.WherePath, err)
	}
	defer w.close()
	o.whenCancelled(func() { _ = w.file.Close() })
	if err := o.part(&wire.Events{}); err != nil {
		return nil, at(wire.WhereRead, err)
	}
	buf := make([]byte, 16<<10)
	for {
		n, err := w.file.Read(buf)
		if errors.Is(err, os.ErrClosed) {
			return &wire.Empty{}, nil
		}
		if err != nil {
			return nil, at(wire.WhereRead, err)
		}
		if err := o.tell(w.parse(buf[:n])); err != nil {
			return nil, at(wire.WhereRead, err)
		}
	}
}

// tell sends events, as many in a frame as fit.
func (o *op) tell(events []wire.Event) error {
	for len(events) > 0 {
		n := min(len(events), eventsPiece)
		if err := o.part(&wire.Events{List: events[:n]}); err != nil {
			return err
		}
		events = events[n:]
	}
	return nil
}

// eventsPiece of the longest paths fit into a frame.
const eventsPiece = wire.MaxReply / (wire.MaxPath + 16)

func (s *session) watcher(m *wire.Watch) (*watcher, error) {
	p, err := s.root.Resolve(m.Path, true)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	root, err := unix.Openat(p.Dir, p.Name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		_ = unix.Close(root)
		return nil, err
	}
	w := &watcher{root: root, recursive: m.Recursive, fd: fd, folders: map[int32]string{}}
	w.file = os.NewFile(uintptr(fd), "inotify")
	if err := w.add(root, "", 0); err != nil {
		w.close()
		return nil, err
	}
	w.started = true
	return w, nil
}

func (w *watcher) close() {
	_ = w.file.Close()
	_ = unix.Close(w.root)
}

const watchMask = unix.IN_CREATE | unix.IN_MODIFY | unix.IN_CLOSE_WRITE | unix.IN_DELETE | unix.IN_DELETE_SELF |
	unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_MOVE_SELF | unix.IN_ATTRIB

// add watches a file or folder by its descriptor, and the folders in it. What
// is in a folder that appeared is told: it may have been made before.
func (w *watcher) add(fd int, rel string, depth int) error {
	if len(w.folders) >= maxWatches || depth > maxWatchDepth {
		w.cut = true
		return nil
	}
	wd, err := addWatch(w.fd, fd)
	if err != nil {
		return err
	}
	w.folders[int32(wd)] = rel
	if !w.recursive {
		return nil
	}
	for _, e := range entries(fd) {
		full := path.Join(rel, e.Name())
		if w.started {
			w.found = appendEvent(w.found, full, wire.Created)
		}
		if e.IsDir() {
			w.enter(fd, e.Name(), full, depth+1)
		}
	}
	return nil
}

// enter adds a folder that stands in another. One that has gone is no error.
func (w *watcher) enter(parent int, name, rel string, depth int) {
	fd, err := unix.Openat(parent, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if err := w.add(fd, rel, depth); err != nil {
		w.cut = true
	}
}

// entries lists a folder; a file, or one that cannot be read, has none.
func entries(dir int) []os.DirEntry {
	fd, err := beneath.Parent{Dir: dir, Name: "."}.OpenDir()
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), "folder")
	defer f.Close()
	list, _ := f.ReadDir(-1)
	return list
}

func appendEvent(list []wire.Event, rel string, bits uint8) []wire.Event {
	if bits == 0 || len(rel) > wire.MaxPath {
		return list
	}
	return append(list, wire.Event{Path: rel, Bits: bits})
}

// parse turns inotify's records into events.
func (w *watcher) parse(b []byte) []wire.Event {
	var list []wire.Event
	for len(b) >= unix.SizeofInotifyEvent {
		wd := int32(binary.NativeEndian.Uint32(b))
		mask := binary.NativeEndian.Uint32(b[4:])
		n := int(binary.NativeEndian.Uint32(b[12:]))
		if n > len(b)-unix.SizeofInotifyEvent {
			break
		}
		name := strings.TrimRight(string(b[unix.SizeofInotifyEvent:unix.SizeofInotifyEvent+n]), "\x00")
		b = b[unix.SizeofInotifyEvent+n:]
		list = w.event(list, wd, mask, name)
	}
	if w.cut {
		w.cut = false
		list = append(list, wire.Event{Bits: wire.Overflow})
	}
	return list
}

// event appends one record's event to the list.
func (w *watcher) event(list []wire.Event, wd int32, mask uint32, name string) []wire.Event {
	if mask&unix.IN_Q_OVERFLOW != 0 {
		return append(list, wire.Event{Bits: wire.Overflow})
	}
	folder, ok := w.folders[wd]
	if !ok {
		return list
	}
	if mask&unix.IN_IGNORED != 0 {
		delete(w.folders, wd)
		return list
	}
	if mask&(unix.IN_DELETE_SELF|unix.IN_MOVE_SELF) != 0 && folder != "" {
		return list // its parent tells the same
	}
	rel := path.Join(folder, name)
	list = appendEvent(list, rel, bitsOf(mask))
	if w.recursive && mask&unix.IN_ISDIR != 0 && mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0 {
		w.appeared(rel)
		list = append(list, w.found...)
		w.found = nil
	}
	return list
}

// appeared watches a new folder.
func (w *watcher) appeared(rel string) {
	r, err := beneath.At(w.root)
	if err != nil {
		return
	}
	defer r.Close()
	p, err := r.Resolve(rel, false)
	if err != nil {
		return
	}
	defer p.Close()
	w.enter(p.Dir, p.Name, rel, strings.Count(rel, "/")+1)
}

// changes says which of inotify's bits mean what on the wire.
var changes = []struct {
	mask uint32
	bit  uint8
}{
	{unix.IN_CREATE, wire.Created},
	{unix.IN_MODIFY | unix.IN_CLOSE_WRITE, wire.Written},
	{unix.IN_DELETE | unix.IN_DELETE_SELF, wire.Removed},
	{unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_MOVE_SELF, wire.Moved},
	{unix.IN_ATTRIB, wire.Attrs},
}

func bitsOf(mask uint32) (bits uint8) {
	for _, c := range changes {
		if mask&c.mask != 0 {
			bits |= c.bit
		}
	}
	return bits
}

// addWatch watches what a descriptor is open on. The kernel wants a path; a
// process may always follow its own descriptors.
func addWatch(inotify, fd int) (int, error) {
	return unix.InotifyAddWatch(inotify, "/proc/self/fd/"+strconv.Itoa(fd), watchMask)
}
