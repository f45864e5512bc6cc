//go:build linux

package tree

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/guest/beneath"
)

// Send writes the folder dir, without its own name, to w. Links are sent as
// links. It fails with fault.Exhausted beyond the limits, fault.Invalid for a
// tree that is too deep or holds something else than files, folders and links,
// and with the errors of the file system and of w.
func Send(w io.Writer, dir int, opt Options) (Sum, error) {
	s := sender{w: bufio.NewWriterSize(w, copySize), opt: opt, buf: make([]byte, copySize)}
	_, _ = s.w.WriteString(magic)
	if err := s.folder(dir, 0); err != nil {
		return s.sum, err
	}
	s.kind(kindEnd)
	s.u64(uint64(s.sum.Entries))
	s.u64(uint64(s.sum.Bytes))
	return s.sum, s.w.Flush()
}

type sender struct {
	w   *bufio.Writer // remembers its first error
	opt Options
	sum Sum
	buf []byte
}

// folder sends what is in a folder.
func (s *sender) folder(dir, depth int) error {
	if depth > MaxDepth {
		return fault.Newf(fault.Invalid, "the tree is deeper than %d folders", MaxDepth)
	}
	names, err := list(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := s.entry(dir, name, depth); err != nil {
			return err
		}
	}
	return nil
}

// list returns the names in a folder, sorted.
func list(dir int) ([]string, error) {
	fd, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("open folder", err)
	}
	f := os.NewFile(uintptr(fd), ".")
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

func (s *sender) entry(dir int, name string, depth int) error {
	var st unix.Stat_t
	err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT {
		return nil // removed since it was listed
	}
	if err != nil {
		return os.NewSyscallError("stat", err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return s.subfolder(dir, name, &st, depth)
	case unix.S_IFREG:
		return s.file(dir, name)
	case unix.S_IFLNK:
		return s.link(dir, name)
	}
	if !s.opt.SkipOthers {
		return fault.Newf(fault.Invalid, "%q is a socket, a pipe or a device", name)
	}
	s.sum.Left++
	return nil
}

func (s *sender) subfolder(dir int, name string, st *unix.Stat_t, depth int) error {
	if err := s.sum.add(&s.opt, 0); err != nil {
		return err
	}
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("open folder", err)
	}
	defer unix.Close(fd)
	s.kind(kindDir)
	s.text(name)
	s.stat(st)
	if err := s.folder(fd, depth+1); err != nil {
		return err
	}
	s.kind(kindUp)
	return nil
}

func (s *sender) file(dir int, name string) error {
	fd, err := beneath.Parent{Dir: dir, Name: name}.OpenFile(unix.O_RDONLY, 0)
	if err != nil {
		return os.NewSyscallError("open", err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return os.NewSyscallError("stat", err)
	}
	if err := s.sum.add(&s.opt, st.Size); err != nil {
		return err
	}
	s.kind(kindFile)
	s.text(name)
	s.stat(&st)
	s.u64(uint64(st.Size))
	return s.content(fd, name, st.Size)
}

// content sends exactly as many bytes as were announced.
func (s *sender) content(fd int, name string, size int64) error {
	for size > 0 {
		n, err := unix.Read(fd, s.buf[:min(size, copySize)])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return os.NewSyscallError("read", err)
		case n == 0:
			return fault.Newf(fault.Conflict, "%q became shorter while it was read", name)
		}
		if _, err := s.w.Write(s.buf[:n]); err != nil {
			return err
		}
		size -= int64(n)
	}
	return nil
}

func (s *sender) link(dir int, name string) error {
	target, err := beneath.Readlink(dir, name)
	if err != nil {
		return os.NewSyscallError("readlink", err)
	}
	if err := s.sum.add(&s.opt, 0); err != nil {
		return err
	}
	s.kind(kindLink)
	s.text(name)
	s.text(target)
	return nil
}

func (s *sender) kind(k byte) { _ = s.w.WriteByte(k) }

func (s *sender) u64(v uint64) {
	_, _ = s.w.Write(binary.LittleEndian.AppendUint64(s.w.AvailableBuffer(), v))
}

func (s *sender) text(v string) {
	_, _ = s.w.Write(binary.LittleEndian.AppendUint16(s.w.AvailableBuffer(), uint16(len(v))))
	_, _ = s.w.WriteString(v)
}

// stat sends permissions and the time of the last change. Bits that let a file
// run as its owner stay behind.
func (s *sender) stat(st *unix.Stat_t) {
	b := binary.LittleEndian.AppendUint32(s.w.AvailableBuffer(), st.Mode&0o777)
	_, _ = s.w.Write(b)
	s.u64(uint64(st.Mtim.Nano()))
}
