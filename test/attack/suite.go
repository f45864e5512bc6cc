//go:build linux

package attack

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/bulkhead-dev/bulkhead/internal/sandbox/native"
	"github.com/bulkhead-dev/bulkhead/test/attack/victim"
)

// Init turns the process into a victim, or into a process that starts one, if
// it was started as such, and then never returns. Otherwise it does nothing.
// A program that runs the suite calls it first thing in main, and before it
// reexec.Init.
func Init() {
	victim.Init()
	starter()
}

// suite is what the cells of one run share. It is for one goroutine.
type suite struct {
	base   string // the folder of the whole run
	victim string // the program in it that is run inside
	cells  atomic.Int64
	layers map[string]*native.Layer // kept: each has a user of its own and a thread that starts things
}

// newSuite makes the folder and puts a copy of this program there, as the
// victim. The folder is in /var/tmp: a sandbox has a /tmp of its own, which
// Landlock allows by its name.
func newSuite() (*suite, error) {
	base, err := os.MkdirTemp("/var/tmp", "bulkhead-attack-*")
	if err != nil {
		return nil, err
	}
	s := &suite{base: base, victim: filepath.Join(base, "bin", victim.Name), layers: map[string]*native.Layer{}}
	if err := s.install(); err != nil {
		return nil, errors.Join(fmt.Errorf("install victim: %w", err), s.close())
	}
	return s, nil
}

// install fills the folder, so that everybody may read it.
func (s *suite) install() error {
	dir := filepath.Dir(s.victim)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for _, dir := range []string{s.base, dir} {
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
	}
	if err := copyProgram("/proc/self/exe", s.victim); err != nil {
		return err
	}
	// What the layer leaves for a sandbox without a root of its own.
	return os.Setenv("TMPDIR", s.base)
}

func copyProgram(from, to string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Chmod(0o755), w.Close())
}

// layer is the native layer without some of its walls.
func (s *suite) layer(launcher string, drop []string) *native.Layer {
	key := fmt.Sprintf("%s %q", launcher, drop)
	if s.layers[key] == nil {
		s.layers[key] = native.New(native.Options{Launcher: launcher, Drop: drop})
	}
	return s.layers[key]
}

// close gives back what the run had, and removes its folder.
func (s *suite) close() error {
	var errs []error
	for _, l := range s.layers {
		errs = append(errs, l.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(s.base))...)
}
