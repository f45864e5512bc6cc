package live

import (
	"os"
	"os/exec"
	"path/filepath"
)

// initName is the program that is the first process of a live sandbox.
const initName = "bulkhead-init"

// InitProgram finds the first process's program: what $BULKHEAD_INIT names,
// else bulkhead-init beside this program, else in the PATH. Empty: there is
// none.
func InitProgram(getenv func(string) string) string {
	if named := getenv("BULKHEAD_INIT"); named != "" {
		return absolute(named)
	}
	if self, err := os.Executable(); err == nil {
		if self, err = filepath.EvalSymlinks(self); err == nil {
			if beside := filepath.Join(filepath.Dir(self), initName); runnable(beside) {
				return beside
			}
		}
	}
	if found, err := exec.LookPath(initName); err == nil {
		return absolute(found)
	}
	return ""
}

// absolute is the real path of a program that is there; empty for others.
func absolute(path string) string {
	path, err := filepath.Abs(path)
	if err != nil || !runnable(path) {
		return ""
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return ""
}

func runnable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
