//go:build linux

package uidlease

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
)

func leaseDir(t *testing.T) string {
	t.Helper()
	kerneltest.NeedRoot(t)
	err := checkHost("/")
	kerneltest.Need(t, "uid lease", err == nil, fmt.Sprint(err))
	return filepath.Join(t.TempDir(), "leases")
}

func acquire(t *testing.T, dir string) *Lease {
	t.Helper()
	l, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Release)
	return l
}

func TestAcquire_givesEachCallerAnIDOfItsOwn(t *testing.T) {
	dir := leaseDir(t)
	var mu sync.Mutex
	seen := map[int]bool{}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			l, err := Acquire(dir)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if seen[l.UID()] || l.UID() < First || l.UID() > Last {
				t.Errorf("uid %d leased twice or outside the range", l.UID())
			}
			seen[l.UID()] = true
		})
	}
	wg.Wait()
}

func TestAcquire_doesNotRepeatAReleasedIDSoon(t *testing.T) {
	dir := leaseDir(t)
	seen := map[int]bool{}
	for range 200 {
		l := acquire(t, dir)
		if seen[l.UID()] {
			t.Fatalf("uid %d came again", l.UID())
		}
		seen[l.UID()] = true
		l.Release()
		l.Release()
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%d files left after releasing all", len(left))
	}
}

func TestTry_respectsAnotherHolder(t *testing.T) {
	dir := leaseDir(t)
	held := acquire(t, dir)
	if l, err := try(dir, held.UID()); l != nil || err != nil {
		t.Fatalf("try of a held id = %v, %v", l, err)
	}
	held.Release()
	l, err := try(dir, held.UID())
	if l == nil || err != nil {
		t.Fatalf("try of a released id = %v, %v", l, err)
	}
	l.Release()
}

// A killed holder leaves its file, and perhaps processes.
func TestTry_leavesAnAbandonedIDAloneWhileAProcessHasIt(t *testing.T) {
	dir := leaseDir(t)
	lost := acquire(t, dir)
	cmd := exec.Command("/bin/sleep", "99")
	id := uint32(lost.UID())
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	lost.file.Close() // as when its holder was killed

	if l, err := try(dir, lost.UID()); l != nil || err != nil {
		t.Fatalf("leased an id that a process still has: %v, %v", l, err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	l, err := try(dir, lost.UID())
	if l == nil || err != nil {
		t.Fatalf("try of an abandoned, unused id = %v, %v", l, err)
	}
	l.Release()
}

func TestHold_noticesThatTheFileWasReleasedMeanwhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "1")
	f, abandoned, err := open(path)
	if err != nil || abandoned {
		t.Fatal(abandoned, err)
	}
	defer f.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if hold(f, path) {
		t.Error("holds a file without a name")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if hold(f, path) {
		t.Error("holds a file whose name is another's")
	}
}

func TestOpen_followsNoLink(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "1")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := open(filepath.Join(dir, "1")); err == nil {
		t.Error("opened through a link")
	}
}

func TestAcquire_refusesAFolderThatOthersCanEnter(t *testing.T) {
	dir := leaseDir(t)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(dir); fault.KindOf(err) != fault.Denied {
		t.Errorf("mode 0755: %v, want fault.Denied", err)
	}
	link := dir + "-link"
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(link); fault.KindOf(err) != fault.Denied {
		t.Errorf("a link: %v, want fault.Denied", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, 1, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(dir); fault.KindOf(err) != fault.Denied {
		t.Errorf("another's folder: %v, want fault.Denied", err)
	}
}

// host makes a root with user databases and id maps.
func host(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	all := map[string]string{"proc/self/uid_map": "0 0 4294967295\n", "proc/self/gid_map": "0 0 4294967295\n"}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestCheckHost(t *testing.T) {
	inside := strconv.Itoa(First + 5)
	rows := []struct {
		name  string
		files map[string]string
		ok    bool
	}{
		{"nothing there", nil, true},
		{"ordinary users", map[string]string{"etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:\n"}, true},
		{"broken lines", map[string]string{"etc/passwd": "x\n:::\nu:x:abc:\n", "etc/subuid": "u:100\nu:x:y\n"}, true},
		{"a user in the range", map[string]string{"etc/passwd": "u:x:" + inside + ":100::/:\n"}, false},
		{"a user's group in the range", map[string]string{"etc/passwd": "u:x:100:" + inside + "::/:\n"}, false},
		{"a group in the range", map[string]string{"etc/group": "g:x:" + inside + ":\n"}, false},
		{"a subordinate range below", map[string]string{"etc/subuid": "u:100000:65536\n"}, true},
		{"a subordinate range up to the first", map[string]string{"etc/subuid": fmt.Sprintf("u:%d:10\n", First-10)}, true},
		{"a subordinate range over the first", map[string]string{"etc/subuid": fmt.Sprintf("u:%d:11\n", First-10)}, false},
		{"a subordinate range around all", map[string]string{"etc/subgid": "u:1:4294967294\n"}, false},
		{"a subordinate range after the last", map[string]string{"etc/subgid": fmt.Sprintf("u:%d:5\n", Last+1)}, true},
		{"an empty subordinate range", map[string]string{"etc/subgid": "u:" + inside + ":0\n"}, true},
		{"a container with 65536 ids", map[string]string{"proc/self/uid_map": "0 100000 65536\n"}, false},
		{"a container without groups", map[string]string{"proc/self/gid_map": ""}, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			err := checkHost(host(t, row.files))
			if (err == nil) != row.ok || !row.ok && fault.KindOf(err) != fault.Unsupported {
				t.Errorf("checkHost = %v, want ok %v", err, row.ok)
			}
		})
	}
}

func TestNext_coversTheRangeAndWraps(t *testing.T) {
	seen := map[int]bool{}
	for range Last - First + 1 {
		seen[next()] = true
	}
	if len(seen) != Last-First+1 {
		t.Errorf("%d different ids, want %d", len(seen), Last-First+1)
	}
}

func FuzzCollides(f *testing.F) {
	f.Add("u", "100000", "65536")
	f.Add("u", "1879048191", "2")
	f.Fuzz(func(t *testing.T, name, first, length string) {
		got := collides([]string{name, first, length}, 1, 2)
		a, err1 := strconv.ParseUint(first, 10, 32)
		n, err2 := strconv.ParseUint(length, 10, 64)
		valid := err1 == nil && err2 == nil && n > 0
		want := valid && a <= Last && (a >= First || a+min(n, 1<<40) > First)
		if got != want {
			t.Errorf("collides(%s, %s) = %v, want %v", first, length, got, want)
		}
	})
}
