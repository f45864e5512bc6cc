package pebble

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// space watches the room on the disk. It keeps a reserve file that is given
// up when a write finds no room, so that this write and what must follow it
// succeed, and it refuses further transitions until there is room again.
type space struct {
	files   vfs.FS
	dir     string
	reserve int64 // bytes; 0: none
	minFree int64 // bytes; 0: any

	mu       sync.Mutex                  // guards below
	held     bool                        // the reserve file is there
	readOnly atomic.Pointer[fault.Error] // why; nil: it is not
}

const (
	defaultReserve = 8 << 20
	defaultMinFree = 4 << 20
)

func newSpace(files vfs.FS, dir string, opts Options) *space {
	return &space{
		files: files, dir: dir,
		reserve: orDefault(opts.Reserve, defaultReserve),
		minFree: orDefault(opts.MinFree, defaultMinFree),
	}
}

// orDefault reads an option for which 0 means a default and below 0 means none.
func orDefault(v, byDefault int64) int64 {
	if v == 0 {
		return byDefault
	}
	return max(v, 0)
}

// room returns fault.Exhausted when a batch of a size should not be written.
// It restores the reserve when there is room for it again.
func (s *space) room(batch int) error {
	if why := s.readOnly.Load(); why != nil {
		return why
	}
	if s.reserve > 0 && !s.isHeld() {
		s.fillReserve()
	}
	if s.minFree > 0 {
		need := s.minFree + 4*int64(batch) // the log, the table, and its merge
		if free, known := s.free(); known && free < need {
			return fullError(fmt.Sprintf("%d bytes are free in %s, a transition needs %d", free, s.dir, need))
		}
	}
	if s.reserve > 0 && !s.isHeld() {
		return fullError(fmt.Sprintf("there is no room in %s for the reserve of %d bytes", s.dir, s.reserve))
	}
	return nil
}

func fullError(msg string) error {
	return fault.New(fault.Exhausted, "disk full: "+msg).
		WithHint("free some space; what was acknowledged is safe and can be read, and writing goes on by itself")
}

func (s *space) free() (bytes int64, known bool) {
	usage, err := s.files.GetDiskUsage(s.dir)
	if err != nil {
		return 0, false
	}
	return int64(min(usage.AvailBytes, 1<<62)), true
}

func (s *space) isHeld() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

// fillReserve makes the reserve file when there is room for it.
func (s *space) fillReserve() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reserve == 0 || s.held {
		return
	}
	if info, err := s.files.Stat(s.reservePath()); err == nil && info.Size() == s.reserve {
		s.held = true
		return
	}
	if free, known := s.free(); known && free < s.reserve+s.minFree {
		return
	}
	s.held = s.writeReserve() == nil
}

// writeReserve writes random bytes, so that no file system stores them for less.
func (s *space) writeReserve() error {
	f, err := s.files.Create(s.reservePath(), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	noise := rand.NewChaCha8([32]byte{})
	buf := make([]byte, 1<<20)
	for left := s.reserve; left > 0 && err == nil; left -= int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), left)]
		_, _ = noise.Read(buf)
		_, err = f.Write(buf)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = s.files.Remove(s.reservePath())
	}
	return err
}

// giveUp releases the reserve and reports whether there was one.
func (s *space) giveUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.held {
		return false
	}
	s.held = false
	return s.files.Remove(s.reservePath()) == nil
}

func (s *space) reservePath() string { return s.files.PathJoin(s.dir, reserveFile) }

func (s *space) becomeReadOnly(why *fault.Error) { s.readOnly.Store(why) }

func (s *space) isReadOnly() bool { return s.readOnly.Load() != nil }

func (s *space) whyReadOnly() string {
	if err := s.room(0); err != nil {
		return err.Error()
	}
	return ""
}

// Why a store takes no writes from the start.
var (
	errOpenedFull = fault.New(fault.Exhausted, "the store takes no writes: the disk was full when it was opened").
			WithHint("free some space and start again; what was acknowledged is safe and can be read")
	errReadOnly = fault.New(fault.Unavailable, "the store takes no writes: it was opened read-only")
)

// isFull reports whether an error says that there is no room: on the disk, in
// the quota, or for a file's name.
func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
