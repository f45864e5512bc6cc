package sandboxtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// built is where Init puts what it builds; Main removes it.
var built string

// Main runs the tests of a package that uses Init, and cleans up after them:
// os.Exit(sandboxtest.Main(m)).
func Main(m *testing.M) int {
	defer func() {
		if built != "" {
			_ = os.RemoveAll(built)
		}
	}()
	return m.Run()
}

// Init returns the path of bulkhead-init: what $BULKHEAD_INIT names, else it
// is built, once for each test program.
func Init(t testing.TB) string {
	t.Helper()
	file, err := InitProgram()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// InitProgram is Init for a TestMain.
var InitProgram = sync.OnceValues(func() (string, error) {
	if named := os.Getenv("BULKHEAD_INIT"); named != "" {
		return named, nil
	}
	var err error
	if built, err = os.MkdirTemp("", "bulkhead-init-*"); err != nil {
		return "", err
	}
	if err := os.Chmod(built, 0o755); err != nil {
		return "", err
	}
	file := filepath.Join(built, "bulkhead-init")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, "github.com/bulkhead-dev/bulkhead/cmd/bulkhead-init")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build bulkhead-init: %w\n%s", err, out)
	}
	return file, nil
})
