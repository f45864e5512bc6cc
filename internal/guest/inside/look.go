//go:build linux

package inside

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// defaultPath is searched when a command's environment has no PATH.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// look finds a program as execvp(3) would, in the command's own PATH and
// folder. A name with a slash is taken as it is. EACCES means that there is
// one that may not be run.
func look(name string, env []string, dir string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	if name == "" {
		return "", unix.ENOENT
	}
	err := error(unix.ENOENT)
	for _, folder := range strings.Split(pathOf(env), ":") {
		file := path.Join(folder, name)
		if folder == "" {
			file = "./" + name
		}
		switch e := executable(resolve(file, dir)); e {
		case nil:
			return file, nil
		case unix.EACCES:
			err = e
		}
	}
	return "", err
}

// resolve is where a relative name will be once the command is in its folder.
func resolve(file, dir string) string {
	if strings.HasPrefix(file, "/") || dir == "" {
		return file
	}
	return dir + "/" + file
}

// pathOf is the last PATH of an environment.
func pathOf(env []string) string {
	p := defaultPath
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			p = v
		}
	}
	return p
}

// executable says whether a regular file may be run.
func executable(file string) error {
	var st unix.Stat_t
	if err := unix.Stat(file, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return unix.EACCES
	}
	return unix.Access(file, unix.X_OK)
}
