//go:build linux

package tree

import (
	"bufio"
	"io"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// Receive unpacks a stream into the folder dir. Folders that are there are
// filled, files and links that are there are replaced by new ones: nothing is
// ever written through an existing file. Something left half done by an error
// stays.
//
// It fails with fault.Corrupt for a damaged stream, fault.Exhausted beyond the
// limits, fault.Denied for a link that leads out, and with the errors of the
// file system and of r.
func Receive(r io.Reader, dir int, opt Options) (Sum, error) {
	rc := receiver{decoder: decoder{bufio.NewReaderSize(r, copySize)}, opt: opt, buf: make([]byte, copySize)}
	rc.stack = []level{{dir: dir}}
	defer rc.unwind()
	if err := rc.start(); err != nil {
		return rc.sum, err
	}
	for {
		rec, err := rc.next()
		if err != nil {
			return rc.sum, err
		}
		if rec.kind == kindEnd {
			return rc.sum, rc.finish(rec)
		}
		if err := rc.take(rec); err != nil {
			return rc.sum, err
		}
	}
}

type receiver struct {
	decoder
	opt   Options
	sum   Sum
	sent  Sum // as the sender counts: with what is left out here
	buf   []byte
	stack []level // of open folders
}

// level is an open folder, and what it becomes when it is complete.
type level struct {
	dir   int
	mode  uint32
	mtime int64
}

func (rc *receiver) top() int { return rc.stack[len(rc.stack)-1].dir }

// unwind closes the folders of a stream that did not end well. The first is
// the caller's.
func (rc *receiver) unwind() {
	for _, l := range rc.stack[1:] {
		_ = unix.Close(l.dir)
	}
}

func (rc *receiver) take(rec record) error {
	if rec.kind == kindUp {
		return rc.up()
	}
	if err := rc.sent.add(&rc.opt, rec.size); err != nil {
		return err
	}
	switch rec.kind {
	case kindDir:
		return rc.enter(rec)
	case kindFile:
		return rc.file(rec)
	default:
		return rc.link(rec)
	}
}

// enter makes a folder, writable for us until it is complete, and goes in.
func (rc *receiver) enter(rec record) error {
	if len(rc.stack) > MaxDepth {
		return damaged("deeper than %d folders", MaxDepth)
	}
	made := unix.Mkdirat(rc.top(), rec.name, 0o700)
	if made != nil && made != unix.EEXIST {
		return os.NewSyscallError("mkdir", made)
	}
	fd, err := unix.Openat(rc.top(), rec.name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil { // a file or a link stands there
		return os.NewSyscallError("open folder", err)
	}
	if made != nil {
		_ = unix.Fchmod(fd, 0o700) // one that is there may be closed to us; it gets its mode at the end
	}
	rc.stack = append(rc.stack, level{fd, rec.mode, rec.mtime})
	rc.sum.Entries++
	return nil
}

// up completes a folder and leaves it.
func (rc *receiver) up() error {
	if len(rc.stack) == 1 {
		return damaged("up from the root")
	}
	l := rc.stack[len(rc.stack)-1]
	rc.stack = rc.stack[:len(rc.stack)-1]
	defer unix.Close(l.dir)
	return attributes(l.dir, l.mode, l.mtime)
}

// file makes a new file and fills it.
func (rc *receiver) file(rec record) error {
	fd, err := create(rc.top(), rec.name)
	if err != nil {
		return os.NewSyscallError("create", err)
	}
	defer unix.Close(fd)
	if err := rc.content(fd, rec.size); err != nil {
		return err
	}
	rc.sum.Entries++
	return attributes(fd, rec.mode, rec.mtime)
}

// create makes a new file in the place of whatever stands there.
func create(dir int, name string) (int, error) {
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(dir, name, flags, 0o600)
	if err != unix.EEXIST {
		return fd, err
	}
	if err := unix.Unlinkat(dir, name, 0); err != nil {
		return -1, err
	}
	return unix.Openat(dir, name, flags, 0o600)
}

func (rc *receiver) content(fd int, size int64) error {
	for size > 0 {
		n, err := rc.r.Read(rc.buf[:min(size, copySize)])
		if err != nil {
			return cut(err)
		}
		if err := writeAll(fd, rc.buf[:n]); err != nil {
			return os.NewSyscallError("write", err)
		}
		size -= int64(n)
		rc.sum.Bytes += int64(n)
	}
	return nil
}

func writeAll(fd int, p []byte) error {
	for len(p) > 0 {
		n, err := unix.Write(fd, p)
		if err != nil && err != unix.EINTR {
			return err
		}
		p = p[max(n, 0):]
	}
	return nil
}

func attributes(fd int, mode uint32, mtime int64) error {
	if err := unix.Fchmod(fd, mode); err != nil {
		return os.NewSyscallError("chmod", err)
	}
	// futimens(3): utimensat without a path. x/sys goes through /proc, which
	// need not be there.
	t := [2]unix.Timespec{unix.NsecToTimespec(mtime), unix.NsecToTimespec(mtime)}
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&t)), 0, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("set time", errno)
	}
	return nil
}

// link makes a symbolic link, in the place of a file or link that stands there.
func (rc *receiver) link(rec record) error {
	if rc.opt.Links != KeepOutside && outside(rec.target, len(rc.stack)-1) {
		if rc.opt.Links == RefuseOutside {
			return fault.Newf(fault.Denied, "link %q leads out of the tree, to %q", rec.name, rec.target)
		}
		rc.sum.Left++
		return nil
	}
	err := unix.Symlinkat(rec.target, rc.top(), rec.name)
	if err == unix.EEXIST {
		if err = unix.Unlinkat(rc.top(), rec.name, 0); err == nil {
			err = unix.Symlinkat(rec.target, rc.top(), rec.name)
		}
	}
	if err != nil {
		return os.NewSyscallError("symlink", err)
	}
	rc.sum.Entries++
	return nil
}

// outside reports whether a link at some depth leads out of the tree as it is
// written. A ".." after a name may follow another link anywhere, so it counts
// as leading out.
func outside(target string, depth int) bool {
	if strings.HasPrefix(target, "/") {
		return true
	}
	named := false
	for _, s := range strings.Split(target, "/") {
		switch s {
		case "", ".":
		case "..":
			if depth--; depth < 0 || named {
				return true
			}
		default:
			named = true
		}
	}
	return false
}

// finish checks the sender's sums.
func (rc *receiver) finish(end record) error {
	switch {
	case len(rc.stack) != 1:
		return damaged("the end within a folder")
	case end.sum.Entries != rc.sent.Entries || end.sum.Bytes != rc.sent.Bytes:
		return damaged("%d entries and %d bytes came, %d and %d were sent", rc.sent.Entries, rc.sent.Bytes, end.sum.Entries, end.sum.Bytes)
	}
	return nil
}
