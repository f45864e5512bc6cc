package pebble

import (
	"errors"
	"io"
	"io/fs"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// The state folder. jobs/ and LOCK belong to the daemon.
const (
	versionFile = "VERSION"
	dbFolder    = "db"
	blobFolder  = "blobs"
	reserveFile = "RESERVE"
	namesFile   = "NAMES"

	versionText = "1\n"
)

// mayPrecede are names that a folder may hold before it has a VERSION: the
// holder's lock, our own unfinished VERSION, and what file systems put there.
var mayPrecede = map[string]bool{
	"LOCK": true, versionFile + ".new": true, "lost+found": true,
}

// prepareFolder makes sure that dir is a state folder of our format. It
// changes nothing in a folder that is something else.
func prepareFolder(files vfs.FS, dir string, readOnly bool) error {
	names, err := files.List(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !readOnly:
		err = files.MkdirAll(dir, 0o700)
	case errors.Is(err, fs.ErrNotExist):
		return fault.Newf(fault.NotFound, "no state folder at %s", dir)
	}
	if err != nil {
		return err
	}

	if contains(names, versionFile) {
		return checkVersion(files, dir)
	}
	for _, name := range names {
		if !mayPrecede[name] {
			return fault.Newf(fault.Invalid, "%s is not a state folder: it has no %s but holds %q", dir, versionFile, name).
				WithHint("name an empty folder, or one that does not exist, with --state or BULKHEAD_STATE")
		}
	}
	if readOnly {
		return fault.Newf(fault.NotFound, "no store in %s", dir)
	}
	return writeVersion(files, dir)
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

func checkVersion(files vfs.FS, dir string) error {
	text, err := readFile(files, files.PathJoin(dir, versionFile), 64)
	if err != nil {
		return err
	}
	if string(text) != versionText {
		return fault.Newf(fault.Unsupported, "%s has format %q, this version reads %q",
			dir, strings.TrimSpace(string(text)), strings.TrimSpace(versionText)).
			WithHint("use the version of bulkhead that wrote it; nothing was changed")
	}
	return nil
}

// writeVersion is the first thing that a new state folder gets, so that a
// crash at any later moment leaves a folder that we know as ours.
func writeVersion(files vfs.FS, dir string) error {
	path := files.PathJoin(dir, versionFile)
	if err := writeSynced(files, path+".new", []byte(versionText)); err != nil {
		return err
	}
	if err := files.Rename(path+".new", path); err != nil {
		return err
	}
	if err := syncFolder(files, dir); err != nil {
		return err
	}
	return syncFolder(files, files.PathDir(dir))
}

func writeSynced(files vfs.FS, path string, content []byte) error {
	f, err := files.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncFolder(files vfs.FS, dir string) error {
	d, err := files.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readFile returns the first limit bytes of a file.
func readFile(files vfs.FS, path string, limit int) ([]byte, error) {
	f, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	content := make([]byte, min(int(info.Size()), limit))
	n, err := f.ReadAt(content, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return content[:n], err
}

// folderSize is the size in bytes of the files under a folder. Files that
// come and go meanwhile do not count.
func folderSize(files vfs.FS, dir string) int64 {
	names, err := files.List(dir)
	if err != nil {
		return 0
	}
	var total int64
	for _, name := range names {
		path := files.PathJoin(dir, name)
		info, err := files.Stat(path)
		switch {
		case err != nil:
		case info.IsDir():
			total += folderSize(files, path)
		default:
			total += info.Size()
		}
	}
	return total
}
