package command

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"sync"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// stage keeps the payloads of bundles by their digest, so that a job runs
// what was checked when it was submitted, whatever becomes of the folder. It
// is safe for concurrent use.
type stage struct {
	dir  string
	load func(dir string) (*bundle.Bundle, error)

	mu sync.Mutex // one copy at a time; guards the making of folders in dir
}

// bundlesDir is where a state folder keeps payloads.
func bundlesDir(state string) string { return filepath.Join(state, "bundles") }

// digestForm is what a bundle's digest looks like.
var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// payloads returns the folder on this host that holds a bundle's payloads.
// The first call for a digest copies and checks them.
func (s *stage) payloads(ctx context.Context, folder, digest string) (string, error) {
	if !digestForm.MatchString(digest) {
		return "", fault.Newf(fault.Invalid, "%q is not the digest of a bundle", digest)
	}
	home := filepath.Join(s.dir, digest[len("sha256:"):])
	done := filepath.Join(home, "payloads")
	s.mu.Lock()
	defer s.mu.Unlock()
	if exists(done) {
		return done, nil
	}

	b, err := s.load(folder)
	if err != nil {
		return "", fmt.Errorf("load bundle: %w", err)
	}
	defer b.Close()
	if b.Digest != digest {
		return "", fault.Newf(fault.Conflict, "the bundle in %s has changed since the job was submitted", folder).
			WithHint("restore it, or submit it as a new job")
	}
	return done, s.copy(ctx, b, home)
}

// copy makes the folder of a bundle as a whole or not at all.
func (s *stage) copy(ctx context.Context, b *bundle.Bundle, home string) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(s.dir, ".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	root, err := os.OpenRoot(tmp)
	if err != nil {
		return err
	}
	defer root.Close()

	if err := root.MkdirAll("payloads", 0o755); err != nil {
		return err
	}
	for _, f := range b.Files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := stageFile(b.FS, root, f); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	if err := errors.Join(os.Chmod(tmp, 0o755), os.Rename(tmp, home)); err != nil {
		return err
	}
	return syncDir(s.dir)
}

// stageFile copies one file and checks that it is still what was digested.
func stageFile(from fs.FS, to *os.Root, f bundle.File) error {
	if err := to.MkdirAll(path.Dir(f.Path), 0o755); err != nil {
		return err
	}
	if f.Mode&fs.ModeSymlink != 0 {
		target, err := fs.ReadLink(from, f.Path)
		if err != nil {
			return err
		}
		if err := same(f, sha256.Sum256([]byte(target))); err != nil {
			return err
		}
		return to.Symlink(target, f.Path)
	}

	in, err := from.Open(f.Path)
	if err != nil {
		return err
	}
	defer in.Close()
	sum := sha256.New()
	mode := f.Mode.Perm() | 0o444 // the sandbox's user is not the owner
	if err := writeFrom(to, f.Path, io.TeeReader(in, sum), mode); err != nil {
		return err
	}
	if err := same(f, [sha256.Size]byte(sum.Sum(nil))); err != nil {
		return err
	}
	return syncFile(to, f.Path)
}

// same compares a file with its digest.
func same(f bundle.File, sum [sha256.Size]byte) error {
	want, err := hex.DecodeString(f.Digest[min(len("sha256:"), len(f.Digest)):])
	if err != nil || !bytes.Equal(want, sum[:]) {
		return fault.New(fault.Conflict, "the file has changed since it was checked")
	}
	return nil
}

// syncFile makes a file's bytes durable.
func syncFile(root *os.Root, name string) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncDir makes the entries of a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
