package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/daemon"
	"github.com/bulkhead-dev/bulkhead/internal/jail/reexec"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
	"github.com/bulkhead-dev/bulkhead/test/attack"
)

func TestMain(m *testing.M) {
	attack.Init()
	reexec.Init()
	testscript.Main(m, map[string]func(){"bulkhead": main, "holdlock": holdLock})
}

// TestScripts runs every script in testdata/script against the program.
func TestScripts(t *testing.T) {
	needSandbox(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup:               setUp,
		Condition:           condition,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"code":    code,
			"shape":   shape,
			"waitfor": waitFor,
			"killpid": killPID,
			"lines":   lineCount,
			"expand":  expand,
			"idle":    idle,
		},
	})
}

// condition knows what scripts may ask of the host: memory, whether it can
// bound the memory of a sandbox. A host that must is not asked.
func condition(name string) (bool, error) {
	if name != "memory" {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	sandboxes, err := daemon.Sandboxes(os.Getenv)
	if err != nil {
		return false, err
	}
	for _, c := range sandboxes.Doctor(context.Background()).Checks {
		if c.Name == "cgroup memory" && c.OK {
			return true, nil
		}
	}
	if required := os.Getenv("BULKHEAD_REQUIRE"); strings.Contains(required, "cgroup v") {
		return false, fmt.Errorf("this host cannot bound memory, but BULKHEAD_REQUIRE is %s", required)
	}
	return false, nil
}

// needSandbox skips a test by name where the host cannot run sandboxes.
func needSandbox(t *testing.T) {
	t.Helper()
	sandboxes, err := daemon.Sandboxes(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	d := sandboxes.Doctor(t.Context())
	capability := "user namespace"
	if os.Geteuid() == 0 {
		capability = "root"
	}
	kerneltest.Need(t, capability, d.OK, fmt.Sprint(d.Checks))
}

// setUp gives each script a home and a state folder of its own.
func setUp(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, "home")
	for _, dir := range []string{home, filepath.Join(env.WorkDir, "run")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := os.Chmod(dir, 0o700); err != nil {
			return err
		}
	}
	env.Setenv("HOME", home)
	env.Setenv("XDG_RUNTIME_DIR", filepath.Join(env.WorkDir, "run"))
	env.Setenv("XDG_STATE_HOME", "")
	env.Setenv("BULKHEAD_STATE", filepath.Join(env.WorkDir, "state"))
	env.Setenv("TZ", "UTC")
	return nil
}

// code runs a program and wants an exact exit code: code 124 bulkhead exec …
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N program args...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)

	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// messages are the API's messages by name, for shape.
var messages = map[string]func() proto.Message{
	"Doctor":            func() proto.Message { return new(apiv1.Doctor) },
	"Error":             func() proto.Message { return new(apiv1.Error) },
	"Event":             func() proto.Message { return new(apiv1.Event) },
	"ExecResult":        func() proto.Message { return new(apiv1.ExecResult) },
	"Explanation":       func() proto.Message { return new(apiv1.Explanation) },
	"Job":               func() proto.Message { return new(apiv1.Job) },
	"JobResult":         func() proto.Message { return new(apiv1.JobResult) },
	"ListJobsResponse":  func() proto.Message { return new(apiv1.ListJobsResponse) },
	"LogChunk":          func() proto.Message { return new(apiv1.LogChunk) },
	"Review":            func() proto.Message { return new(apiv1.Review) },
	"Selftest":          func() proto.Message { return new(apiv1.Selftest) },
	"SubmitJobResponse": func() proto.Message { return new(apiv1.SubmitJobResponse) },
	"Validation":        func() proto.Message { return new(apiv1.Validation) },
	"VersionInfo":       func() proto.Message { return new(apiv1.VersionInfo) },
}

// shape wants every line of a file to be a message of the API, and printing
// the message again to give the same bytes: shape ExecResult stdout
func shape(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || messages[args[0]] == nil {
		ts.Fatalf("usage: shape Message file")
	}
	text := strings.TrimSuffix(ts.ReadFile(args[1]), "\n")
	for line := range strings.SplitSeq(text, "\n") {
		m := messages[args[0]]()
		ts.Check(wire.FromJSON([]byte(line), m))
		again, err := wire.JSON(m)
		ts.Check(err)
		if string(again) != line {
			ts.Fatalf("not the one form of %s:\n got %s\nwant %s", args[0], line, again)
		}
	}
}

// waitFor waits until a file has at least N lines: waitfor file N
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitfor file N")
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	for range 1200 {
		data, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && strings.Count(string(data), "\n") >= want {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	ts.Fatalf("%s never had %d lines", args[0], want)
}

// lineCount wants a file to have exactly N lines: lines file N
func lineCount(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	text := ts.ReadFile(args[0])
	if got := strings.Count(text, "\n"); (got == want) == neg {
		ts.Fatalf("%s has %d lines, want %d:\n%s", args[0], got, want, text)
	}
}

// expand replaces $WORK in files: expand file...
func expand(ts *testscript.TestScript, _ bool, args []string) {
	for _, file := range args {
		text := strings.ReplaceAll(ts.ReadFile(file), "$WORK", ts.Getenv("WORK"))
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o600))
	}
}

// idle waits until nobody holds a state folder: idle state
func idle(ts *testscript.TestScript, _ bool, args []string) {
	for range 1200 {
		s, err := daemon.Attach(context.Background(), daemon.Options{State: ts.MkAbs(args[0]), Mode: daemon.Join, Getenv: ts.Getenv})
		if errors.Is(err, daemon.ErrNoHolder) {
			return
		}
		if err == nil {
			_ = s.Close()
		}
		time.Sleep(25 * time.Millisecond)
	}
	ts.Fatalf("%s is still held", args[0])
}

// killPID sends a signal to the process whose id stands in the LOCK file of a
// state folder: killpid KILL state
func killPID(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: killpid SIGNAL state")
	}
	var h struct{ PID int }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(filepath.Join(args[1], "LOCK"))), &h))
	names := []string{"INT", "TERM", "KILL", "HUP"}
	if h.PID <= 1 || !slices.Contains(names, args[0]) {
		ts.Fatalf("cannot send %s to %d", args[0], h.PID)
	}
	ts.Check(syscall.Kill(h.PID, unix.SignalNum("SIG"+args[0])))
}

// holdLock holds the lock of a state folder and answers nobody, like a process
// that is stuck: holdlock state
func holdLock() {
	file := filepath.Join(os.Args[1], "LOCK")
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err == nil {
		_, err = fmt.Fprintf(f, `{"pid":%d,"socket":%q}`+"\n", os.Getpid(), os.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "holdlock:", err)
		os.Exit(1)
	}
	fmt.Println("held")
	time.Sleep(time.Minute)
}
