package native

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
)

// lookup finds the program as the sandbox will see it. System folders and
// grants stand at the same paths inside, so the host's tree can be asked. A
// path that cannot be judged from outside (in the work folder, in scratch) is
// left to the kernel.
func lookup(req sandbox.Request, path string, grants []grant) (string, error) {
	name := req.Args[0]
	if name == "" {
		return "", fault.New(fault.Invalid, "the command is empty")
	}
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range strings.Split(path, ":") {
		file := filepath.Join(dir, name)
		if executable(file) {
			return file, nil
		}
	}
	err := fault.Newf(fault.NotFound, "command %q not found in the sandbox's PATH %s", name, path)
	if host, e := exec.LookPath(name); e == nil {
		host, _ = filepath.Abs(host)
		return "", err.WithHint("the host has %s, which the sandbox does not see; grant its folder with --read and name it by its full path", host)
	}
	return "", err
}

// executable says whether the host has a runnable file there.
func executable(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
