package policy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// ScanLimits bounds a search for sockets.
type ScanLimits struct {
	Entries int // files and folders looked at; 0: 10,000
	Depth   int // levels of folders; 0: 32
}

// Scan is what a search for sockets found.
type Scan struct {
	Found   []string // the first sockets, at most 8
	State   string   // a state folder of Bulkhead's; empty: none was seen
	Partial string   // why not everything was seen; empty: everything was
}

const maxFound = 8

// FindSockets looks for sockets at a path of the host and beneath it, nearest
// first, without following symbolic links beneath it. A path that does not
// exist holds none. Sockets that appear later are not found: a layer that can
// refuse connect(2) by itself must.
func FindSockets(at string, limits ScanLimits) (Scan, error) {
	real, err := filepath.EvalSymlinks(at)
	if errors.Is(err, fs.ErrNotExist) {
		return Scan{}, nil
	}
	if err != nil {
		return Scan{}, fmt.Errorf("find sockets: %w", err)
	}
	info, err := os.Lstat(real)
	if err != nil {
		return Scan{}, fmt.Errorf("find sockets: %w", err)
	}
	if info.Mode().Type() == fs.ModeSocket {
		return Scan{Found: []string{at}}, nil
	}
	if !info.IsDir() {
		return Scan{}, nil
	}
	return scanFolder(at, real, limits)
}

// scanFolder walks a real folder, level by level.
func scanFolder(shown, real string, limits ScanLimits) (Scan, error) {
	root, err := os.OpenRoot(real)
	if err != nil {
		return Scan{Partial: "it cannot be opened"}, nil
	}
	defer root.Close()

	s := scanner{root: root, shown: shown, limits: limits}
	if s.limits.Entries <= 0 {
		s.limits.Entries = 10_000
	}
	if s.limits.Depth <= 0 {
		s.limits.Depth = 32
	}
	level := []string{"."}
	for depth := 0; len(level) > 0 && !s.done(); depth++ {
		if depth == s.limits.Depth {
			s.result.Partial = fmt.Sprintf("it is deeper than %d folders", depth)
			break
		}
		level = s.level(level)
	}
	return s.result, nil
}

// scanner is a search in progress.
type scanner struct {
	root   *os.Root
	shown  string
	limits ScanLimits
	seen   int
	result Scan
}

// done says that enough was seen.
func (s *scanner) done() bool {
	if s.seen > s.limits.Entries {
		s.result.Partial = fmt.Sprintf("it has more than %d files", s.limits.Entries)
	}
	return s.seen > s.limits.Entries || len(s.result.Found) >= maxFound
}

// level looks into each folder and returns the folders beneath.
func (s *scanner) level(folders []string) (next []string) {
	for _, f := range folders {
		if s.done() {
			return nil
		}
		next = append(next, s.folder(f)...)
	}
	return next
}

// folder looks into one folder, in portions so that a huge one costs no memory.
func (s *scanner) folder(name string) (next []string) {
	f, err := s.root.Open(name)
	if err != nil {
		s.result.Partial = "a folder in it cannot be opened"
		return nil
	}
	defer f.Close()

	marks := 0
	for !s.done() {
		entries, err := f.ReadDir(256)
		for _, e := range entries {
			s.seen++
			if slices.Contains(stateMarks, e.Name()) {
				marks++
			}
			at := path.Join(name, e.Name())
			switch {
			case e.Type() == fs.ModeSocket && len(s.result.Found) < maxFound:
				s.result.Found = append(s.result.Found, path.Join(s.shown, at))
			case e.IsDir():
				next = append(next, at)
			}
		}
		if marks == len(stateMarks) && s.result.State == "" {
			s.result.State = path.Join(s.shown, name)
		}
		if errors.Is(err, io.EOF) {
			return next
		}
		if err != nil {
			s.result.Partial = "a folder in it cannot be read"
			return next
		}
	}
	return next
}

// stateMarks are the names by which a state folder is known, wherever it is and
// by whatever mount or link it is reached.
var stateMarks = []string{"VERSION", "LOCK", "db"}

// stateAbove returns the state folder in which a real path lies; empty: none.
func stateAbove(real string) string {
	for dir := real; ; dir = filepath.Dir(dir) {
		missing := func(name string) bool {
			_, err := os.Lstat(filepath.Join(dir, name))
			return err != nil
		}
		if !slices.ContainsFunc(stateMarks, missing) {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// CheckSockets refuses a resolved policy whose grants hold sockets: whoever
// can name a socket can talk to the program behind it, read-only or not. On the
// way it refuses state folders, those of other runs too. The error is a
// fault.Denied that names them. Grants too large to be searched whole come back
// as warnings. $WORKSPACE that is not resolved is skipped.
func CheckSockets(p Policy, limits ScanLimits) (warnings []string, err error) {
	var refused []string
	for _, g := range union(union(nil, p.Filesystem.Read), p.Filesystem.Write) {
		if inWorkspace(g) {
			continue
		}
		s, err := FindSockets(g, limits)
		if err != nil {
			return warnings, fault.Newf(fault.Denied, "grant %s: %w", quote(g), err)
		}
		if real, err := filepath.EvalSymlinks(g); err == nil && s.State == "" {
			s.State = stateAbove(real)
		}
		if s.State != "" {
			refused = append(refused, fmt.Sprintf("grant %s reaches Bulkhead's state folder %s", quote(g), quote(s.State)))
		}
		for _, socket := range s.Found {
			refused = append(refused, fmt.Sprintf("grant %s holds the socket %s", quote(g), quote(socket)))
		}
		if s.Partial != "" {
			warnings = append(warnings, fmt.Sprintf("grant %s is not fully checked for sockets: %s", quote(g), s.Partial))
		}
	}
	if len(refused) == 0 {
		return warnings, nil
	}
	return warnings, fault.New(fault.Denied, strings.Join(refused, "\n")).
		WithHint("grant the folders beside it")
}
