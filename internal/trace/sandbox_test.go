//go:build linux

package trace

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/seccomp"
)

// A test process may also be the first process of a small sandbox, or the
// victim inside.
const (
	boxVariable    = "BULKHEAD_TRACE_BOX"
	victimVariable = "BULKHEAD_TRACE_VICTIM"
)

func TestMain(m *testing.M) {
	if b := os.Getenv(boxVariable); b != "" {
		fmt.Fprintln(os.Stderr, enterBox(b))
		os.Exit(125)
	}
	if v := os.Getenv(victimVariable); v != "" {
		victims[v](os.Args[1:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// box is a sandbox of as few walls as a trace can tell something about.
type box struct {
	Stage string   // an empty folder of the host
	Show  []string // host paths shown read-only, at the same place
	Write []string // host folders shown writable, at the same place
	Env   []string
	Args  []string
}

// run starts a box under a supervisor, and returns what it printed and what was
// refused.
func run(t *testing.T, c Config, b box) (string, []event.Denial) {
	t.Helper()
	sup, cmd, out := start(t, c, b, nil)
	if err := sup.Run(context.Background()); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	return out.String(), sup.Denials()
}

// runUntil runs a box until it has written something, and then lets go of it.
// Without a supervisor its calls fail, so that it cannot go on.
func runUntil(t *testing.T, b box) (string, []event.Denial) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	reason := errors.New("enough")
	sup, cmd, out := start(t, Config{}, b, func() { cancel(reason) })
	if err := sup.Run(ctx); !errors.Is(err, reason) {
		t.Errorf("Run = %v, want %v", err, reason)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the box went on without a supervisor")
	}
	return out.String(), sup.Denials()
}

// output keeps what a box prints.
type output struct {
	text  bytes.Buffer
	first func() // called once at the first write; nil: nothing
}

func (o *output) String() string { return o.text.String() }

func (o *output) Write(b []byte) (int, error) {
	if o.first != nil {
		o.first()
		o.first = nil
	}
	return o.text.Write(b)
}

// start starts a box, up to the point where somebody must answer for it. first
// is called at its first output.
func start(t *testing.T, c Config, b box, first func()) (*Supervisor, *exec.Cmd, *output) {
	t.Helper()
	s := seccomp.Probe()
	kerneltest.Need(t, "seccomp notification", s.Notifications, s.Detail)
	arch, err := seccomp.Native()
	if err != nil {
		t.Fatal(err)
	}
	c.Filter, c.Arch, c.Own = seccomp.Default(), arch, []string{"/work"}

	b.Stage = t.TempDir()
	spec, _ := json.Marshal(b)
	ours, theirs := socketPair(t)
	out := &output{first: first}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{boxVariable + "=" + string(spec)}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = namespaces()
	if err := cmd.Start(); err != nil {
		kerneltest.Need(t, "user namespace", os.Geteuid() == 0, err.Error())
		t.Fatal(err)
	}
	theirs.Close()
	fd, err := receiveFD(ours)
	if err != nil {
		_ = cmd.Wait()
		t.Fatalf("no listener: %v\n%s", err, out.String())
	}
	sup, err := New(fd, c)
	if err != nil {
		t.Fatal(err)
	}
	return sup, cmd, out
}

func namespaces() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return attr
}

func socketPair(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs = os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	t.Cleanup(func() { ours.Close() })
	return ours, theirs
}

func receiveFD(f *os.File) (int, error) {
	oob := make([]byte, 64)
	_, n, _, _, err := unix.Recvmsg(int(f.Fd()), make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return -1, fmt.Errorf("%d messages: %v", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return -1, err
	}
	return fds[0], nil
}

// enterBox builds the box around this process and runs its command. It returns
// only when that fails.
func enterBox(spec string) error {
	runtime.LockOSThread()
	var b box
	if err := json.Unmarshal([]byte(spec), &b); err != nil {
		return err
	}
	for _, step := range []func() error{b.mounts, b.pivot, loopbackUp, b.filterAndRun} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (b *box) mounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private: %w", err)
	}
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", b.Stage, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("tmpfs: %w", err)
	}
	for _, dir := range []string{"proc", "work", "dev"} {
		if err := os.MkdirAll(filepath.Join(b.Stage, dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.Symlink("/proc/self/fd", filepath.Join(b.Stage, "dev/fd")); err != nil {
		return err
	}
	show := append([]string{"/usr", "/bin", "/lib", "/lib64", "/dev/null"}, b.Show...)
	for _, p := range show {
		if err := b.bind(p, p, unix.MS_RDONLY); err != nil {
			return err
		}
	}
	for _, p := range b.Write {
		if err := b.bind(p, p, 0); err != nil {
			return err
		}
	}
	if err := b.bind(self, "/victim", unix.MS_RDONLY); err != nil {
		return err
	}
	if err := unix.Mount("proc", filepath.Join(b.Stage, "proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("proc: %w", err)
	}
	return unix.Mount("tmpfs", filepath.Join(b.Stage, "work"), "tmpfs", 0, "")
}

// bind shows a host path inside, following links of merged-usr hosts.
func (b *box) bind(from, to string, flags uintptr) error {
	st, err := os.Stat(from)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	at := filepath.Join(b.Stage, to)
	if st.IsDir() {
		err = os.MkdirAll(at, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(at), 0o755); err == nil {
		err = os.WriteFile(at, nil, 0o644)
	}
	if err != nil {
		return err
	}
	if err := unix.Mount(from, at, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s: %w", from, err)
	}
	if flags == 0 {
		return nil
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	return unix.MountSetattr(unix.AT_FDCWD, at, unix.AT_RECURSIVE, &attr)
}

func (b *box) pivot() error {
	if err := os.Chdir(b.Stage); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", 0, &attr); err != nil {
		return fmt.Errorf("root read-only: %w", err)
	}
	return os.Chdir("/work")
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

// filterAndRun puts the filter on, sends its listener out through descriptor
// 3, and executes the command without help of the Go runtime.
func (b *box) filterAndRun() error {
	arch, err := seccomp.Native()
	if err != nil {
		return err
	}
	prog, err := Watch(seccomp.Default()).Compile(arch)
	if err != nil {
		return err
	}
	path, _ := syscall.BytePtrFromString(b.Args[0])
	args, _ := syscall.SlicePtrFromStrings(b.Args)
	env, _ := syscall.SlicePtrFromStrings(append(b.Env, "PATH=/usr/bin:/bin"))
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	fd, err := seccomp.Load(prog, seccomp.NewListener|seccomp.WaitKillable)
	if err != nil {
		return err
	}
	if err := unix.Sendmsg(3, []byte{0}, unix.UnixRights(fd), nil, 0); err != nil {
		return err
	}
	unix.CloseOnExec(3)
	_, _, errno := unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(path)),
		uintptr(unsafe.Pointer(&args[0])), uintptr(unsafe.Pointer(&env[0])))
	return fmt.Errorf("execve %s: %w", b.Args[0], errno)
}

// victim is a box that runs one of the victims below.
func victim(name string, args ...string) box {
	return box{Args: append([]string{"/victim"}, args...), Env: []string{victimVariable + "=" + name, "GOMAXPROCS=1"}}
}

// find is the denial of an operation on an object.
func find(all []event.Denial, operation, object string) (event.Denial, bool) {
	for _, d := range all {
		if d.Operation == operation && d.Object == object {
			return d, true
		}
	}
	return event.Denial{}, false
}

// expect fails the test unless the denial is there, once or more.
func expect(t *testing.T, all []event.Denial, want event.Denial) {
	t.Helper()
	got, ok := find(all, want.Operation, want.Object)
	want.Source, want.Count = "trace", got.Count
	if !ok || got != want || got.Count < 1 {
		t.Errorf("denial %+v, want %+v\nall:\n%s", got, want, lines(all))
	}
}

// unexpected fails the test if anything was refused about an object.
func unexpected(t *testing.T, all []event.Denial, object string) {
	t.Helper()
	for _, d := range all {
		if strings.Contains(d.Object, object) {
			t.Errorf("unexpected denial %+v", d)
		}
	}
}

func lines(all []event.Denial) string {
	var b strings.Builder
	for _, d := range all {
		fmt.Fprintf(&b, "  %+v\n", d)
	}
	return b.String()
}
