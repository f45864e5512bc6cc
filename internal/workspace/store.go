package workspace

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// The names in a store's folder:
//
//	LOCK                      held while workspaces and layers come and go
//	named/NAME/LOCK           held by the workspace's holder
//	named/NAME/workspace.json Info
//	layers/ID/fs              what was written
//	layers/ID/work            the kernel's scratch
const (
	namedFolder  = "named"
	layersFolder = "layers"
	lockName     = "LOCK"
	infoName     = "workspace.json"
	layerTree    = "fs"
	layerWork    = "work"
)

// Store is a folder of workspaces. It is safe for concurrent use, also by
// several processes.
type Store struct {
	dir string
}

// Open returns the store in a folder, which is made when it is missing. The
// folder must be the caller's own and nobody else's to change.
func Open(dir string) (*Store, error) {
	for _, d := range []string{dir, filepath.Join(dir, namedFolder), filepath.Join(dir, layersFolder)} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fault.Newf(fault.Unavailable, "workspaces: %w", err)
		}
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "workspaces: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(real, &st); err != nil {
		return nil, fault.Newf(fault.Unavailable, "workspaces: %s: %w", real, err)
	}
	if int(st.Uid) != os.Geteuid() || st.Mode&0o077 != 0 {
		return nil, fault.Newf(fault.Denied, "workspaces: %s is not a private folder of yours (owner %d, mode %04o)", real, st.Uid, st.Mode&0o7777)
	}
	return &Store{dir: real}, nil
}

// layer is the folder of a layer.
func (s *Store) layer(id string) string { return filepath.Join(s.dir, layersFolder, id) }

// named is the folder of a workspace.
func (s *Store) named(name string) string { return filepath.Join(s.dir, namedFolder, name) }

// nameForm is what a workspace may be called.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// checkName refuses names that could not be file names or options.
func checkName(name string) error {
	if !nameForm.MatchString(name) {
		return fault.Newf(fault.Invalid, "%q is not a name for a workspace", name).
			WithHint("use up to 64 letters, digits, dots, hyphens and underscores")
	}
	return nil
}

// Options of a new workspace.
type Options struct {
	Name    string   // empty: a new one is made up
	Sources []string // host folders; those inside others are left out
	Protect []string // Filesystem.Protect of the policy
}

// Create makes a workspace and holds it. It fails with fault.Exists for a name
// that is taken, and with fault.Invalid for what is no folder.
func (s *Store) Create(opt Options) (*Workspace, error) {
	name := opt.Name
	if name == "" {
		name = "w-" + randomID()[:8]
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	sources, err := s.checkSources(opt.Sources)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	info := Info{Version: version, Name: name, Created: now, Marks: ownMarks(), Protect: opt.Protect}
	for _, source := range sources {
		info.Folders = append(info.Folders, Folder{Source: source, Since: now})
	}
	var w *Workspace
	err = s.locked(func() (err error) {
		w, err = s.add(info)
		return err
	})
	return w, err
}

// add makes the upper layers of a new workspace and writes it down. The store
// is locked.
func (s *Store) add(info Info) (*Workspace, error) {
	if err := os.Mkdir(s.named(info.Name), 0o700); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil, fault.Newf(fault.Exists, "there is a workspace %q already", info.Name)
		}
		return nil, fault.Newf(fault.Unavailable, "make workspace: %w", err)
	}
	w, err := s.hold(info.Name)
	if err != nil {
		return nil, err
	}
	for i := range info.Folders {
		if err == nil {
			err = s.newUpper(&info.Folders[i])
		}
	}
	w.info = info
	if err == nil {
		err = s.save(info)
	}
	if err != nil {
		w.Release()
		_ = s.removeNamed(info.Name)
		return nil, err
	}
	return w, nil
}

// newUpper makes an empty upper layer for a folder: its root looks like the
// folder itself, because it is what the sandbox sees.
func (s *Store) newUpper(f *Folder) error {
	var st unix.Stat_t
	if err := unix.Lstat(f.Source, &st); err != nil {
		return fault.Newf(fault.Invalid, "workspace folder %s: %w", f.Source, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return fault.Newf(fault.Invalid, "workspace folder %s is not a folder", f.Source)
	}
	id := randomID()
	at := s.layer(id)
	for _, d := range []string{at, filepath.Join(at, layerTree), filepath.Join(at, layerWork)} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return fault.Newf(fault.Unavailable, "make layer: %w", err)
		}
	}
	root := filepath.Join(at, layerTree)
	if os.Geteuid() == 0 {
		if err := os.Lchown(root, int(st.Uid), int(st.Gid)); err != nil {
			return fault.Newf(fault.Unavailable, "make layer: %w", err)
		}
	}
	if err := os.Chmod(root, fs.FileMode(st.Mode&0o777)); err != nil {
		return fault.Newf(fault.Unavailable, "make layer: %w", err)
	}
	f.Upper = id
	return nil
}

// checkSources resolves the folders and leaves out those inside others.
func (s *Store) checkSources(paths []string) ([]string, error) {
	var all []string
	for _, p := range paths {
		real, err := filepath.EvalSymlinks(p)
		if err == nil {
			real, err = filepath.Abs(real)
		}
		if err != nil {
			return nil, fault.Newf(fault.Invalid, "workspace folder: %w", err)
		}
		if within(s.dir, real) || within(real, s.dir) {
			return nil, fault.Newf(fault.Denied, "workspace folder %s overlaps with where workspaces are kept, %s", real, s.dir)
		}
		all = append(all, real)
	}
	if len(all) == 0 {
		return nil, fault.New(fault.Invalid, "a workspace needs a folder")
	}
	slices.Sort(all)
	var kept []string
	for _, p := range all {
		if len(kept) == 0 || !within(p, kept[len(kept)-1]) {
			kept = append(kept, p)
		}
	}
	return kept, nil
}

// within says whether a clean path is a folder or lies in it.
func within(p, dir string) bool {
	rel, err := filepath.Rel(dir, p)
	return err == nil && filepath.IsLocal(rel)
}

// Hold takes a workspace. It fails with fault.NotFound when there is none, and
// with fault.Unavailable while somebody else holds it.
func (s *Store) Hold(name string) (*Workspace, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	w, err := s.hold(name)
	if err != nil {
		return nil, err
	}
	if w.info, err = s.load(name); err != nil {
		w.Release()
		return nil, err
	}
	if w.info.Marks != ownMarks() {
		w.Release()
		return nil, fault.Newf(fault.Denied, "workspace %q belongs to another kind of user", name)
	}
	return w, nil
}

func (s *Store) hold(name string) (*Workspace, error) {
	lock, err := flock(filepath.Join(s.named(name), lockName), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.Newf(fault.NotFound, "there is no workspace %q", name).WithHint("see 'bulkhead workspace list'")
	case errors.Is(err, unix.EWOULDBLOCK):
		return nil, fault.Newf(fault.Unavailable, "workspace %q is in use", name).WithHint("wait for what runs in it to end")
	case err != nil:
		return nil, fault.Newf(fault.Unavailable, "hold workspace: %w", err)
	}
	return &Workspace{store: s, lock: lock}, nil
}

// List tells about every workspace, by name. One that cannot be read is left
// out and named in the error, beside the others.
func (s *Store) List() ([]Info, error) {
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	var all []Info
	var problems error
	for _, name := range names {
		info, err := s.load(name)
		switch {
		case fault.KindOf(err) == fault.NotFound: // is being made or removed
		case err != nil:
			problems = errors.Join(problems, err)
		default:
			all = append(all, info)
		}
	}
	return all, problems
}

func (s *Store) names() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, namedFolder))
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "list workspaces: %w", err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all, nil
}

// load reads what is known about a workspace.
func (s *Store) load(name string) (Info, error) {
	data, err := os.ReadFile(filepath.Join(s.named(name), infoName))
	if errors.Is(err, fs.ErrNotExist) {
		return Info{}, fault.Newf(fault.NotFound, "there is no workspace %q", name).WithHint("see 'bulkhead workspace list'")
	}
	if err != nil {
		return Info{}, fault.Newf(fault.Unavailable, "read workspace: %w", err)
	}
	var info Info
	if err := json.Unmarshal(data, &info); err != nil {
		return Info{}, fault.Newf(fault.Corrupt, "read workspace %q: %w", name, err)
	}
	if info.Version != version || info.Name != name {
		return Info{}, fault.Newf(fault.Corrupt, "workspace %q: unknown version %d", name, info.Version)
	}
	return info, nil
}

// save writes down what is known, in one step and for good.
func (s *Store) save(info Info) error {
	data, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return fault.Newf(fault.Internal, "write workspace: %w", err)
	}
	file := filepath.Join(s.named(info.Name), infoName)
	if err := writeFile(file+".new", data); err != nil {
		return fault.Newf(fault.Unavailable, "write workspace: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fault.Newf(fault.Unavailable, "write workspace: %w", err)
	}
	return nil
}

func writeFile(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// locked runs f while nobody else changes the store.
func (s *Store) locked(f func() error) error {
	lock, err := flock(filepath.Join(s.dir, lockName), unix.LOCK_EX)
	if err != nil {
		return fault.Newf(fault.Unavailable, "lock workspaces: %w", err)
	}
	defer lock.Close()
	return f()
}

// flock opens a file and locks it until it is closed.
func flock(name string, how int) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), how)
		if err == nil {
			return f, nil
		}
		if err != unix.EINTR {
			f.Close()
			return nil, err
		}
	}
}

// randomID is a name that nobody else makes.
func randomID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
