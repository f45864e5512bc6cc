//go:build linux

package notify

import (
	"bytes"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/seccomp"
)

func TestDecode_hasTheKernelsLayout(t *testing.T) {
	b := make([]byte, notifSize)
	for i := range b {
		b[i] = byte(i)
	}
	n, err := decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if n.ID != 0x0706050403020100 || n.PID != 0x0b0a0908 || n.Flags != 0x0f0e0d0c ||
		n.Nr != 0x13121110 || n.Arch != 0x17161514 || n.IP != 0x1f1e1d1c1b1a1918 ||
		n.Args[0] != 0x2726252423222120 || n.Args[5] != 0x4f4e4d4c4b4a4948 {
		t.Errorf("%+v", n)
	}
}

func TestEncode_hasTheKernelsLayout(t *testing.T) {
	rows := []struct {
		name string
		r    Response
		want []byte
	}{
		{"a value", Response{ID: 1, Value: -2}, []byte{1, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0}},
		{"an error", Response{ID: 2, Errno: unix.EPERM}, []byte{2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}},
		{"go on", Response{ID: 3, Continue: true}, []byte{3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got := make([]byte, respSize)
			row.r.encode(got)
			if !bytes.Equal(got, row.want) {
				t.Errorf("% x, want % x", got, row.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(make([]byte, notifSize))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := decode(b)
		if (err == nil) != (len(b) >= notifSize) {
			t.Errorf("decode of %d bytes: %+v, %v", len(b), n, err)
		}
	})
}

func TestReadString_respectsItsBound(t *testing.T) {
	me := os.Getpid()
	text := append([]byte(strings.Repeat("x", 9000)), 0)
	addr := uint64(uintptr(unsafe.Pointer(&text[0])))
	got, err := ReadString(me, addr, 10000)
	if err != nil || got != string(text[:9000]) {
		t.Errorf("ReadString: %d bytes, %v", len(got), err)
	}
	for _, limit := range []int{0, 1, 8999, 9000} {
		if _, err := ReadString(me, addr, limit); !errors.Is(err, ErrTooLong) {
			t.Errorf("limit %d: %v, want ErrTooLong", limit, err)
		}
	}
	if s, err := ReadString(me, addr+9000, 1); s != "" || err != nil {
		t.Errorf("empty string: %q, %v", s, err)
	}
	runtime.KeepAlive(text)
}

func TestReadString_stopsAtTheEndOfAMapping(t *testing.T) {
	page := os.Getpagesize()
	m, err := unix.Mmap(-1, 0, 2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(m) }()
	if err := unix.Mprotect(m[page:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	copy(m[page-4:], "abc\x00")
	base := uint64(uintptr(unsafe.Pointer(&m[0])))
	if s, err := ReadString(os.Getpid(), base+uint64(page)-4, 4096); s != "abc" || err != nil {
		t.Errorf("up to the last byte: %q, %v", s, err)
	}
	m[page-1] = 'd'
	if _, err := ReadString(os.Getpid(), base+uint64(page)-4, 4096); !errors.Is(err, unix.EFAULT) {
		t.Errorf("over the end: %v, want EFAULT", err)
	}
}

func TestReadMemory_refusesNonsense(t *testing.T) {
	for _, row := range []struct {
		name string
		pid  int
		addr uint64
		size int
	}{
		{"no process", 0, 4096, 8},
		{"null", os.Getpid(), 0, 8},
		{"around the end of the world", os.Getpid(), ^uint64(0) - 3, 8},
		{"kernel memory", os.Getpid(), 1 << 63, 8},
		{"nothing", os.Getpid(), 4096, 0},
	} {
		if b, err := ReadMemory(row.pid, row.addr, row.size); err == nil {
			t.Errorf("%s: % x", row.name, b)
		}
	}
}

// supervised starts a thread with a filter that asks about sysinfo, and runs f
// on it; the listener answers for it.
func supervised(t *testing.T, f func()) *Listener {
	t.Helper()
	listeners := make(chan *Listener)
	onOwnThread(func() {
		listeners <- filtered(t)
		f()
	})
	l := <-listeners
	if l == nil {
		t.FailNow()
	}
	return l
}

// onOwnThread runs f on a thread that ends with it. The main thread never
// ends, so that one is held by a goroutine that does nothing.
func onOwnThread(f func()) {
	go func() {
		runtime.LockOSThread() // never unlocked
		if unix.Gettid() == unix.Getpid() {
			onOwnThread(f)
			select {}
		}
		f()
	}()
}

func filtered(t *testing.T) *Listener {
	a, err := seccomp.Native()
	if err != nil {
		t.Error(err)
		return nil
	}
	filter := seccomp.Filter{Rules: []seccomp.Rule{{Call: "sysinfo", Then: seccomp.Notify}}, Otherwise: seccomp.Allow}
	prog, err := filter.Compile(a)
	if err != nil {
		t.Error(err)
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Error(err)
		return nil
	}
	fd, err := seccomp.Load(prog, seccomp.NewListener|seccomp.WaitKillable) // the runtime sends its threads signals
	if err != nil {
		t.Error(err)
		return nil
	}
	l, err := New(fd)
	if err != nil {
		t.Error(err)
	}
	return l
}

func needNotifications(t *testing.T) {
	t.Helper()
	s := seccomp.Probe()
	kerneltest.Need(t, "seccomp notification", s.Notifications, s.Detail)
}

func sysinfo(addr uintptr) (uintptr, error) {
	v, _, errno := unix.RawSyscall(unix.SYS_SYSINFO, addr, 0, 0)
	if errno != 0 {
		return v, errno
	}
	return v, nil
}

func TestListener_answersInEachWay(t *testing.T) {
	needNotifications(t)
	kerneltest.InChild(t, func() {
		type result struct {
			v   uintptr
			err error
		}
		results := make(chan result)
		secret := make([]byte, 256) // with room for the answer of the last round
		copy(secret, "/a/path")
		l := supervised(t, func() {
			for range 3 {
				v, err := sysinfo(uintptr(unsafe.Pointer(&secret[0])))
				results <- result{v, err}
			}
			close(results)
		})

		for _, row := range []struct {
			answer Response
			want   result
		}{
			{Response{Errno: unix.EXDEV}, result{^uintptr(0), unix.EXDEV}},
			{Response{Value: 42}, result{42, nil}},
			{Response{Continue: true}, result{0, nil}},
		} {
			n, err := l.Next()
			if err != nil {
				t.Fatal(err)
			}
			if n.Nr != unix.SYS_SYSINFO || n.PID == 0 || !l.Valid(n.ID) || l.Valid(n.ID+1) {
				t.Errorf("%+v", n)
			}
			if s, err := ReadString(n.PID, n.Args[0], 100); !row.answer.Continue && (s != "/a/path" || err != nil) {
				t.Errorf("string = %q, %v", s, err)
			}
			row.answer.ID = n.ID
			if err := l.Respond(row.answer); err != nil {
				t.Fatal(err)
			}
			if got := <-results; got != row.want {
				t.Errorf("%+v, want %+v", got, row.want)
			}
			if err := l.Respond(row.answer); !errors.Is(err, ErrGone) {
				t.Errorf("second answer: %v, want ErrGone", err)
			}
		}
		<-results
		if _, err := l.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("Next without processes: %v, want EOF", err)
		}
	})
}

func TestClose_wakesNextAndFailsTheCallsThatWait(t *testing.T) {
	needNotifications(t)
	kerneltest.InChild(t, func() {
		errs := make(chan error, 1)
		l := supervised(t, func() {
			_, err := sysinfo(0)
			errs <- err
		})
		if _, err := l.Next(); err != nil {
			t.Fatal(err)
		}
		woken := make(chan error)
		go func() { _, err := l.Next(); woken <- err }()
		time.Sleep(10 * time.Millisecond) // so that Next most likely waits
		for range 2 {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := <-woken; !errors.Is(err, os.ErrClosed) {
			t.Errorf("Next = %v, want ErrClosed", err)
		}
		if err := <-errs; !errors.Is(err, unix.ENOSYS) {
			t.Errorf("the waiting call = %v, want ENOSYS", err)
		}
		if l.Valid(0) || !errors.Is(l.Respond(Response{}), os.ErrClosed) {
			t.Error("a closed listener answers")
		}
	})
}
