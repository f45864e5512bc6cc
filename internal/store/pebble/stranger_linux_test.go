package pebble_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
	"github.com/bulkhead-dev/bulkhead/internal/store/pebble"
)

// TestOpen_asAStrangerSaysWhoseFolderItIs runs itself again as another user.
func TestOpen_asAStrangerSaysWhoseFolderItIs(t *testing.T) {
	const stranger = 65533
	if dir := os.Getenv("BULKHEAD_TEST_FOLDER"); dir != "" {
		_, err := pebble.Open(dir, small)
		fmt.Printf("kind=%v err=%v hint=%s\n", fault.KindOf(err), err, fault.HintOf(err))
		return
	}
	kerneltest.NeedRoot(t)
	dir := filepath.Join(t.TempDir(), "state")
	s := open(t, dir, small)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	out := runAs(t, stranger, "BULKHEAD_TEST_FOLDER="+dir)
	for _, want := range []string{"kind=denied", "permission denied", "uid 0", "uid 65533", "hint=run as"} {
		if !strings.Contains(out, want) {
			t.Errorf("the error does not say %q: %s", want, out)
		}
	}
}

// runAs runs the calling test in a copy of this binary as another user.
func runAs(t *testing.T, uid uint32, env string) string {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "stranger")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	binary := filepath.Join(dir, "test")
	if err := os.WriteFile(binary, self, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	openPath(t, t.TempDir())
	cmd := exec.Command(binary, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), env)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("child: %v\n%s", err, out)
	}
	return string(out)
}

// openPath lets others pass through the folders above a temporary one.
func openPath(t *testing.T, dir string) {
	t.Helper()
	for dir = filepath.Dir(dir); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
}
