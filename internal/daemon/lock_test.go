package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

func TestTakeLock_isForOne(t *testing.T) {
	dir := t.TempDir()
	l, err := takeLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := takeLock(dir); !errors.Is(err, errHeld) {
		t.Errorf("second takeLock = %v, want held", err)
	}
	if got := whoHolds(dir); got.PID != os.Getpid() || got.Socket != "" {
		t.Errorf("holder = %+v", got)
	}
	if err := l.say(holder{PID: 7, Socket: "/s"}); err != nil {
		t.Fatal(err)
	}
	if got := whoHolds(dir); got.PID != 7 || got.Socket != "/s" {
		t.Errorf("holder = %+v", got)
	}

	l.release()
	l.release()
	next, err := takeLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	next.release()
	if got := whoHolds(dir); got != (holder{}) {
		t.Errorf("holder after release = %+v", got)
	}
}

func TestTakeLock_goesToTheFileThatIsThere(t *testing.T) {
	dir := t.TempDir()
	l, err := takeLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.release()
	path := filepath.Join(dir, lockName)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if l.isAt(path) {
		t.Error("a removed lock file still counts")
	}
}

func TestUndo_leavesNoFileBehind(t *testing.T) {
	dir := t.TempDir()
	for _, there := range []bool{false, true} {
		if there {
			write(t, dir, lockName, "")
		}
		l, err := takeLock(dir)
		if err != nil {
			t.Fatal(err)
		}
		l.undo()
		if _, err := os.Lstat(filepath.Join(dir, lockName)); (err == nil) != there {
			t.Errorf("lock file there before: %v; after: %v", there, err)
		}
	}
}

func TestTakeLock_followsNoLink(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "precious", "x")
	if err := os.Symlink("precious", filepath.Join(dir, lockName)); err != nil {
		t.Fatal(err)
	}
	if _, err := takeLock(dir); err == nil {
		t.Error("the lock followed a link")
	}
}

func TestAttach_namesAHolderThatDoesNotAnswer(t *testing.T) {
	rows := []struct {
		name string
		said holder
		says string
		hint string
	}{
		{"no socket", holder{PID: os.Getpid()}, "is held by process", "kill"},
		{"dead socket", holder{PID: os.Getpid(), Socket: "/nonexistent/sock"}, "is held by process", "kill"},
		{"a file for a socket", holder{PID: os.Getpid(), Socket: "/etc/passwd"}, "not a socket", "kill"},
		{"said nothing", holder{}, "locked by another process", "fuser"},
		{"a socket that nobody reads", holder{PID: os.Getpid(), Socket: silent(t)}, "is held by process", "kill"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			l, err := takeLock(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer l.release()
			if err := l.say(row.said); err != nil {
				t.Fatal(err)
			}
			for _, mode := range []Mode{Read, Act, Serve, Join} {
				_, err = Attach(t.Context(), Options{State: dir, Mode: mode, Getenv: os.Getenv, Wait: time.Millisecond})
				if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), row.says) || !strings.Contains(fault.HintOf(err), row.hint) {
					t.Errorf("Attach = %v, hint %q; want unavailable that says %q, hint %q", err, fault.HintOf(err), row.says, row.hint)
				}
			}
		})
	}
}

// silent is a socket on which nobody accepts.
func silent(t *testing.T) string {
	t.Helper()
	l, err := listen(filepath.Join(mkdir(t, "/tmp", "bh"), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func TestMuteError_isPatientWithAStart(t *testing.T) {
	rows := []struct {
		name   string
		holder holder
		waited time.Duration
		want   bool
	}{
		{"mute for a moment", holder{}, time.Second, false},
		{"mute", holder{}, 6 * time.Second, true},
		{"starting", holder{Starting: true}, 6 * time.Second, false},
		{"starting for ever", holder{Starting: true}, time.Hour, true},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			e := &muteError{holder: row.holder}
			if got := e.overdue(row.waited, patience); got != row.want {
				t.Errorf("overdue = %v, want %v", got, row.want)
			}
		})
	}
}
