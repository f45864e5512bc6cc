package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// payloadsDir is the name of the folder of payloads in a bundle.
const payloadsDir = "payloads"

// bounds limits what a bundle may hold.
type bounds struct {
	files int
	bytes int64
}

var defaultBounds = bounds{files: 20_000, bytes: 1 << 30}

// scan is what was found under payloads/.
type scan struct {
	dir      string // payloads/ as the user would name it
	fsys     fs.FS  // rooted at payloads/
	files    []File // sorted by path
	problems fault.Problems

	kinds  map[string]fs.FileMode // type bits by path relative to payloads/, folders too
	bounds bounds
	bytes  int64
}

// errFull stops the walk when the bundle is too large.
var errFull = errors.New("bundle is too large")

// scanPayloads lists and digests the files of a payloads folder. Links must
// lead to a regular file within it.
func scanPayloads(dir string, fsys fs.FS, limit bounds) scan {
	s := scan{dir: dir, fsys: fsys, bounds: limit, kinds: map[string]fs.FileMode{}}
	// Every error of the walk has become a problem; errFull only ends it.
	_ = fs.WalkDir(fsys, ".", s.visit)
	slices.SortFunc(s.files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return s
}

// visit takes one entry of the walk, which does not follow links.
func (s *scan) visit(name string, d fs.DirEntry, err error) error {
	if err != nil {
		s.problem(name, "cannot be read: "+cause(err).Error(), "")
		return skip(d)
	}
	if reason := badName(name); reason != "" {
		s.problem(name, reason, "rename it")
		return skip(d)
	}
	s.kinds[name] = d.Type()
	switch {
	case d.IsDir():
		return nil
	case d.Type()&fs.ModeSymlink != 0:
		return s.link(name, d)
	case d.Type().IsRegular():
		return s.regular(name)
	}
	s.problem(name, "is "+kindOf(d.Type())+", not a regular file", "remove it; a bundle holds only folders, files, and links to files")
	return nil
}

// skip leaves out a folder, or only the entry when it is none.
func skip(d fs.DirEntry) error {
	if d != nil && d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// badName says why a file may not be called that; empty when it may.
func badName(name string) string {
	if !utf8.ValidString(name) {
		return "has a name that is not UTF-8"
	}
	if strings.ContainsFunc(path.Base(name), unicode.IsControl) {
		return "has a name with control characters"
	}
	return ""
}

func (s *scan) regular(name string) error {
	f, err := s.fsys.Open(name)
	if err != nil {
		s.problem(name, "cannot be read: "+cause(err).Error(), "")
		return nil
	}
	defer f.Close()

	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		s.problem(name, "changed while it was read", "")
		return nil
	}
	sum := sha256.New()
	size, err := io.Copy(sum, io.LimitReader(f, s.bounds.bytes-s.bytes+1))
	if err != nil {
		s.problem(name, "cannot be read: "+cause(err).Error(), "")
		return nil
	}
	return s.add(File{Path: path.Join(payloadsDir, name), Mode: info.Mode(), Size: size, Digest: hexDigest(sum.Sum(nil))})
}

// link takes a symbolic link. The file system is rooted at payloads/, so a
// link that leaves it cannot be followed; one to a folder could make a loop.
func (s *scan) link(name string, d fs.DirEntry) error {
	target, err := fs.ReadLink(s.fsys, name)
	if err != nil {
		s.problem(name, "cannot be read: "+cause(err).Error(), "")
		return nil
	}
	if reason := s.badLink(name); reason != "" {
		s.problem(name, "is a link to "+strconv.Quote(target)+", "+reason, "put the file itself there, or link to a file under payloads/ by a relative path")
		return nil
	}
	sum := sha256.Sum256([]byte(target))
	return s.add(File{Path: path.Join(payloadsDir, name), Mode: d.Type(), Size: int64(len(target)), Digest: hexDigest(sum[:])})
}

// badLink says what is wrong with where a link leads; empty when nothing is.
func (s *scan) badLink(name string) string {
	info, err := fs.Stat(s.fsys, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "which does not exist"
	case errors.Is(err, syscall.ELOOP):
		return "which leads in a circle"
	case err != nil:
		return "which is outside payloads/"
	case info.IsDir():
		return "which is a folder"
	case !info.Mode().IsRegular():
		return "which is " + kindOf(info.Mode())
	}
	return ""
}

// add keeps a file, or stops the walk when the bundle is full.
func (s *scan) add(f File) error {
	s.bytes += f.Size
	reason := ""
	switch {
	case len(s.files) >= s.bounds.files:
		reason = fmt.Sprintf("holds more than %d files", s.bounds.files)
	case s.bytes > s.bounds.bytes:
		reason = fmt.Sprintf("holds more than %d MiB", s.bounds.bytes>>20)
	default:
		s.files = append(s.files, f)
		return nil
	}
	s.problem(".", reason, "keep data outside the bundle and grant it with --read")
	return errFull
}

func (s *scan) problem(name, reason, fix string) {
	s.problems = append(s.problems, fault.Problem{File: printable(path.Join(s.dir, name)), Reason: reason, Fix: fix})
}

// printable is a path with quotes around it if it would not print as it is.
func printable(name string) string {
	if q := strconv.Quote(name); q != `"`+name+`"` {
		return q
	}
	return name
}

// kindOf says what a file of a mode is, with its article.
func kindOf(mode fs.FileMode) string {
	for _, k := range []struct {
		bit  fs.FileMode
		name string
	}{
		{fs.ModeDir, "a folder"},
		{fs.ModeSymlink, "a symbolic link"},
		{fs.ModeNamedPipe, "a named pipe"},
		{fs.ModeSocket, "a socket"},
		{fs.ModeDevice, "a device"},
	} {
		if mode&k.bit != 0 {
			return k.name
		}
	}
	if mode.IsRegular() {
		return "a file"
	}
	return "a special file"
}

func hexDigest(sum []byte) string { return "sha256:" + hex.EncodeToString(sum) }
