// Package pebble is the embedded store: jobs in a Pebble database, blobs in
// files beside it, all in one state folder on one machine. An acknowledged
// transition is on the disk; docs/store.md says what that is worth.
package pebble

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/bulkhead-dev/bulkhead/internal/store"
)

// Options changes how a store is opened. The zero Options is right for a
// daemon.
type Options struct {
	// ReadOnly opens an existing store without changing it: every write is
	// refused with fault.Unavailable.
	ReadOnly bool

	// Reserve is the size in bytes of the file that is given up when the disk
	// is full, so that what is in flight can end well. 0 means 8 MiB, below 0
	// means no such file.
	Reserve int64

	// MinFree is how many bytes must be free on the disk, beyond the reserve,
	// for a transition to be taken. 0 means 4 MiB, below 0 means any.
	MinFree int64

	// Logger hears what the database does in the background. Nil: nobody does.
	Logger *slog.Logger

	// FS is where the files are. Nil means the operating system's.
	FS vfs.FS
}

// Store is a store.Driver on one folder. It is safe for concurrent use.
type Store struct {
	dir    string
	files  vfs.FS // for everything but the database
	log    *slog.Logger
	guard  *guard
	space  *space
	db     *pebble.DB
	damage *damage
	names  *names
	lock   io.Closer
	views  views
	writer *committer // nil when read-only
	closed lifetime
}

var (
	_ store.Driver       = (*Store)(nil)
	_ store.PermitReader = (*Store)(nil)
	_ store.Verifier     = (*Store)(nil)
)

// Open opens the store in a state folder, or makes one where there is none.
//
// Errors: fault.Unsupported for a folder of another format (nothing is
// touched), fault.Invalid for a folder that is not empty and not a state
// folder (nothing is touched), fault.Denied when permissions forbid it,
// fault.Unavailable when another process holds it, fault.Corrupt when the
// database's own bookkeeping is damaged, fault.Exhausted when the disk is so
// full that not even reading works. On a full disk that still allows reading
// the store opens read-only, and Info says so.
func Open(dir string, opts Options) (*Store, error) {
	s := newStore(dir, opts)
	if err := s.open(opts); err != nil {
		return nil, explain(dir, err)
	}
	return s, nil
}

func newStore(dir string, opts Options) *Store {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.FS == nil {
		opts.FS = privateFS{vfs.Default}
	}
	s := &Store{dir: dir, files: opts.FS, log: opts.Logger, damage: newDamage()}
	s.space = newSpace(s.files, dir, opts)
	s.names = &names{files: s.files, path: s.path(namesFile)}
	return s
}

// open is Open, step by step.
func (s *Store) open(opts Options) error {
	if err := prepareFolder(s.files, s.dir, opts.ReadOnly); err != nil {
		return err
	}
	if err := s.lockDatabase(opts.ReadOnly); err != nil {
		return err
	}
	if err := s.openLocked(opts); err != nil {
		return errors.Join(err, s.lock.Close())
	}
	return nil
}

// lockDatabase takes the lock that the database would take. It is ours, so
// that it can be given back when the database cannot be closed.
func (s *Store) lockDatabase(readOnly bool) (err error) {
	dir := s.path(dbFolder)
	if _, statErr := s.files.Stat(dir); statErr != nil && !readOnly {
		if err := errors.Join(s.files.MkdirAll(dir, 0o700), syncFolder(s.files, s.dir)); err != nil {
			return err
		}
	}
	s.lock, err = s.files.Lock(s.files.PathJoin(dir, "LOCK"))
	return err
}

func (s *Store) openLocked(opts Options) error {
	if err := checkLog(s.files, s.path(dbFolder)); err != nil {
		return err
	}
	if !opts.ReadOnly {
		removeLeftovers(s.files, s.dir)
		s.space.fillReserve()
	}

	err := s.openDatabase(opts.ReadOnly)
	if isFull(err) && !opts.ReadOnly {
		s.log.Warn("disk is full: opening read-only", "dir", s.dir)
		s.space.becomeReadOnly(errOpenedFull)
		err = s.openDatabase(true)
	}
	if err != nil {
		return err
	}
	if opts.ReadOnly {
		s.space.becomeReadOnly(errReadOnly)
	}

	s.guard.arm()
	s.views.set(s.db.NewSnapshot())
	if !s.space.isReadOnly() {
		s.names.open()
		s.writer = newCommitter(s)
	}
	return nil
}

// openDatabase opens it behind a guard of its own. A guard that goes down
// keeps the half-open database parked, off the disk.
func (s *Store) openDatabase(readOnly bool) error {
	s.guard = newGuard(s.space, s.log)
	opts := s.databaseOptions(readOnly)
	var db *pebble.DB
	err := s.guard.wait(func() (err error) {
		db, err = pebble.Open(s.path(dbFolder), opts)
		return err
	})
	if err == nil {
		s.db = db
	}
	return err
}

func (s *Store) databaseOptions(readOnly bool) *pebble.Options {
	o := &pebble.Options{
		// A format that exists in this version and does not move when the
		// library moves. It marks how far the log was synced, so that a
		// damaged middle of the log is told from its end.
		FormatMajorVersion: pebble.FormatTableFormatV6,
		FS:                 guardFS{s.files, s.guard},
		ReadOnly:           readOnly,
		Logger:             logger{s.guard, s.log},
		EventListener:      s.listener(),
		MemTableSize:       memTable,
		// Merges may fall behind on a full disk; that must not hold up a commit.
		MemTableStopWritesThreshold: 4,
		L0StopWritesThreshold:       1000,
		// The loader of statistics tries a damaged table again at once, forever.
		// New tables bring their statistics along.
		DisableTableStats: true,
	}
	o.EnsureDefaults()
	o.WithFSDefaults() // watches for slow writes
	return o
}

// memTable is how many bytes of fresh records are kept in memory before they
// become a table. A flush must fit into the reserve.
const memTable = 4 << 20

func (s *Store) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) { s.log.Warn("background work failed", "err", err.Error()) },
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			if s.damage.sawTable(info) {
				s.log.Error("table is damaged", "path", info.Path, "err", info.Details.Error())
			}
		},
		DiskSlow: func(info pebble.DiskSlowInfo) {
			s.log.Warn("disk is slow", "path", info.Path, "took", info.Duration)
		},
	}
}

// Info implements store.Driver.
func (s *Store) Info(ctx context.Context) (store.Info, error) {
	if err := s.enter(ctx); err != nil {
		return store.Info{}, err
	}
	defer s.closed.leave()
	return store.Info{
		Driver:     "pebble",
		Durability: "fsync",
		Path:       s.dir,
		Bytes:      folderSize(s.files, s.path(dbFolder)) + folderSize(s.files, s.path(blobFolder)),
		ReadOnly:   s.readOnly(),
		Syncs:      s.guard.syncs.Load(),
	}, nil
}

// readOnly says why no write is taken now; empty when they are.
func (s *Store) readOnly() string {
	if err := s.guard.failure(); err != nil {
		return err.Error()
	}
	return s.space.whyReadOnly()
}

// Close implements store.Driver: it waits for calls in flight, flushes and
// releases the folder.
func (s *Store) Close() error {
	if !s.closed.close() {
		return nil
	}
	if s.writer != nil {
		s.writer.close()
	}
	s.closed.wait()
	return explain(s.dir, errors.Join(s.names.close(), s.closeDatabase(), s.lock.Close()))
}

// closeDatabase leaves a database that failed as it is: what it still wants to
// write must not reach the disk any more, and its goroutines stay parked.
func (s *Store) closeDatabase() error {
	if s.guard.failure() != nil {
		s.guard.fence()
		return nil
	}
	s.views.set(nil)
	return s.guard.wait(s.db.Close)
}

// enter begins a call. The caller must call s.closed.leave when it is nil.
func (s *Store) enter(ctx context.Context) error {
	if err := store.Alive(ctx); err != nil {
		return err
	}
	if !s.closed.enter() {
		return store.ErrClosed
	}
	return nil
}

func (s *Store) path(elem ...string) string {
	return s.files.PathJoin(append([]string{s.dir}, elem...)...)
}

// lifetime counts calls in flight and ends once.
type lifetime struct {
	mu    sync.Mutex // guards below
	ended bool
	calls sync.WaitGroup
}

func (l *lifetime) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.calls.Add(1)
	return true
}

func (l *lifetime) leave() { l.calls.Done() }

// close reports whether this call was the first.
func (l *lifetime) close() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := !l.ended
	l.ended = true
	return first
}

func (l *lifetime) wait() { l.calls.Wait() }
