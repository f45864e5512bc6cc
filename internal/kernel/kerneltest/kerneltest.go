//go:build linux

// Package kerneltest helps tests that talk to the real kernel: what cannot be
// undone is done in a child process, and what this host lacks is skipped by
// name.
package kerneltest

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// marker tells a child which test it is the child of.
const marker = "BULKHEAD_TEST_IN_CHILD"

// InChild runs f in a process of its own, on a locked thread with
// no_new_privs, and fails t when f does or when the child dies. What f prints
// is returned to the parent. In the child InChild does not return.
func InChild(t *testing.T, f func()) string {
	t.Helper()
	state, out := Child(t, f)
	if !state.Success() {
		t.Fatalf("child: %v\n%s", state, out)
	}
	return out
}

// Child is InChild for children that are expected to end badly: it returns how
// the child ended and what it printed.
func Child(t *testing.T, f func()) (*os.ProcessState, string) {
	t.Helper()
	if os.Getenv(marker) == t.Name() {
		runtime.LockOSThread()
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			t.Fatal(err)
		}
		f()
		if t.Failed() {
			t.FailNow() // prints why, and exits with 1
		}
		os.Exit(0)
	}

	cmd := exec.Command(os.Args[0], "-test.run="+pattern(t.Name()), "-test.v=false")
	cmd.Env = append(os.Environ(), marker+"="+t.Name())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatalf("start child: %v", err)
	}
	return cmd.ProcessState, out.String()
}

// pattern matches exactly one test or subtest.
func pattern(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

// Need skips the test, by name, when the host lacks a capability. It fails the
// test instead when BULKHEAD_REQUIRE, a list with commas, has the name.
func Need(t testing.TB, capability string, ok bool, why string) {
	t.Helper()
	if ok {
		return
	}
	if slices.Contains(strings.Split(os.Getenv("BULKHEAD_REQUIRE"), ","), capability) {
		t.Fatalf("this host lacks %q, which BULKHEAD_REQUIRE demands: %s", capability, why)
	}
	t.Skipf("this host lacks %q: %s", capability, why)
}

// NeedRoot skips the test for an ordinary user; the capability's name is root.
func NeedRoot(t testing.TB) {
	t.Helper()
	Need(t, "root", os.Geteuid() == 0, "the test runs as an ordinary user")
}
