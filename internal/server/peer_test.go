package server

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
)

// dialer makes the test binary dial a socket instead of testing.
const dialer = "BULKHEAD_TEST_DIAL"

func TestMain(m *testing.M) {
	if path := os.Getenv(dialer); path != "" {
		dialAndWait(path)
		return
	}
	os.Exit(m.Run())
}

// dialAndWait opens a connection and keeps it until the other end closes it.
func dialAndWait(path string) {
	c, err := net.Dial("unix", path)
	if err != nil {
		os.Exit(1)
	}
	_, _ = c.Read(make([]byte, 1))
}

// peerOf accepts a connection from a child and says what checkPeer thinks.
func peerOf(t *testing.T, attr *syscall.SysProcAttr) error {
	t.Helper()
	dir, err := os.MkdirTemp("", "peer")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}

	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{dialer + "=" + path}
	cmd.SysProcAttr = attr
	if err := cmd.Start(); err != nil {
		kerneltest.Need(t, "user namespace", false, err.Error())
	}
	defer func() { _ = cmd.Wait() }()
	_ = l.SetDeadline(time.Now().Add(20 * time.Second))
	c, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return checkPeer(c)
}

func TestCheckPeer_acceptsAnotherProcessOfOurs(t *testing.T) {
	if err := peerOf(t, nil); err != nil {
		t.Errorf("checkPeer = %v", err)
	}
}

func TestCheckPeer_refusesAnotherUser(t *testing.T) {
	kerneltest.NeedRoot(t)
	err := peerOf(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 54321, Gid: 54321}})
	if err == nil || !strings.Contains(err.Error(), "uid 54321") {
		t.Errorf("checkPeer = %v, want one that names the uid", err)
	}
}

func TestCheckPeer_refusesAnotherUserNamespace(t *testing.T) {
	err := peerOf(t, &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getegid(), Size: 1}},
	})
	if err == nil || !strings.Contains(err.Error(), "user namespace") {
		t.Errorf("checkPeer = %v, want one that names the user namespace", err)
	}
}
