package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/grant"
)

// Folder is the folder of an attempt, relative to the state folder:
// jobs/<job>/<node>/<attempt>-<epoch>. It holds work/, stdout.log, stderr.log
// and report.json. The epoch makes it unique in the job.
func Folder(job event.JobID, node event.NodeID, attempt int, epoch event.Epoch) string {
	last := strconv.Itoa(attempt) + "-" + strconv.FormatUint(uint64(epoch), 10)
	return filepath.Join("jobs", safe(string(job)), safe(string(node)), last)
}

// safe is a name as one harmless part of a path: letters, digits, - and _
// stay, a dot does not lead, and every other byte is written as %XX.
func safe(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// work is the work folder on this host.
func (a *attempt) work() string { return filepath.Join(a.dir, "work") }

// workdir is where the command starts, as the worker sees it.
func (a *attempt) workdir() string {
	return path.Join(a.place.work, a.w.Node.Executor.Workdir)
}

// parent is the folder that holds a path.
func parent(p string) string { return filepath.Dir(p) }

// folder makes the attempt's folder with its uploads.
func (a *attempt) folder(payloads string) error {
	state, err := os.OpenRoot(a.r.opt.State)
	if err != nil {
		return err
	}
	defer state.Close()
	rel := Folder(a.w.Job, a.w.Node.ID, a.w.Attempt.Number, a.w.Attempt.Epoch)
	// What an attempt of this name left behind has no effect any more.
	if err := state.RemoveAll(rel); err != nil {
		return err
	}
	if err := state.MkdirAll(filepath.Join(rel, "work"), 0o700); err != nil {
		return err
	}
	a.dir = filepath.Join(a.r.opt.State, rel)

	work, err := state.OpenRoot(filepath.Join(rel, "work"))
	if err != nil {
		return err
	}
	defer work.Close()
	if err := upload(payloads, work, a.w.Node.Executor.Uploads); err != nil {
		return err
	}
	return makeDir(work, a.w.Node.Executor.Workdir)
}

// makeDir makes the folder in which the command starts.
func makeDir(work *os.Root, dir string) error {
	if dir == "" {
		return nil
	}
	if !filepath.IsLocal(dir) {
		return fault.Newf(fault.Invalid, "workdir %q leaves the work folder", dir)
	}
	return work.MkdirAll(dir, 0o755)
}

// upload copies payloads into the work folder.
func upload(payloads string, work *os.Root, uploads []bundle.Upload) error {
	from, err := os.OpenRoot(payloads)
	if err != nil {
		return err
	}
	defer from.Close()
	for _, u := range uploads {
		if err := copyTree(from, work, u); err != nil {
			return fmt.Errorf("upload %s: %w", u.Source, err)
		}
	}
	return nil
}

// copyTree copies a file or a folder of payloads to its target.
func copyTree(from, work *os.Root, u bundle.Upload) error {
	target := u.Target
	if target == "" {
		target = path.Base(u.Source)
	}
	if !filepath.IsLocal(u.Source) || !filepath.IsLocal(target) {
		return fault.New(fault.Invalid, "the path leaves its folder")
	}
	source := path.Clean(u.Source)
	return fs.WalkDir(from.FS(), source, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return plain(err)
		}
		rel, err := filepath.Rel(source, name)
		if err != nil {
			return err
		}
		to := path.Join(target, filepath.ToSlash(rel))
		if d.IsDir() {
			return work.MkdirAll(to, 0o755)
		}
		return copyFile(from, work, name, to)
	})
}

// copyFile copies one file. Links are followed as far as they stay within the
// payloads; special bits of the mode are dropped.
func copyFile(from, to *os.Root, source, target string) error {
	if contractFile(target) {
		return fault.Newf(fault.Invalid, "%s is the name of a contract file", target)
	}
	in, err := from.Open(source)
	if err != nil {
		return plain(err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return plain(err)
	}
	if !info.Mode().IsRegular() {
		return fault.Newf(fault.Invalid, "%s is not a regular file", source)
	}
	if err := to.MkdirAll(path.Dir(target), 0o755); err != nil {
		return plain(err)
	}
	return writeFrom(to, target, in, info.Mode().Perm())
}

// writeFrom writes a new file.
func writeFrom(root *os.Root, name string, from io.Reader, mode fs.FileMode) error {
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return plain(err)
	}
	_, err = io.Copy(out, from)
	return errors.Join(err, out.Chmod(mode|0o400), out.Close())
}

// plain strips an operation and a path of the host from a file error.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", path.Base(filepath.ToSlash(p.Path)), p.Err)
	}
	return err
}

// decodeGrants reads what the operator granted.
func decodeGrants(raw []byte, g *grant.Grants) error {
	if len(raw) == 0 {
		return nil
	}
	if err := json.Unmarshal(raw, g); err != nil {
		return fault.Newf(fault.Corrupt, "grants of the job: %w", err)
	}
	return nil
}
