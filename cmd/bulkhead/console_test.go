package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// console is a terminal with this program on it.
type console struct {
	t      *testing.T
	master *os.File
	slave  *os.File
	cmd    *exec.Cmd
	seen   bytes.Buffer
}

// openConsole runs this program on a new terminal of 30 by 100.
func openConsole(t *testing.T, env []string, args ...string) *console {
	t.Helper()
	c := &console{t: t}
	c.master, c.slave = openTerminal(t)
	c.resize(30, 100)
	c.cmd = self(env, args...)
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = c.slave, c.slave, c.slave
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	})
	return c
}

// self is this program as bulkhead.
func self(env []string, args ...string) *exec.Cmd {
	return &exec.Cmd{Path: os.Args[0], Args: append([]string{"bulkhead"}, args...), Env: append(os.Environ(), env...)}
}

// openTerminal makes a terminal: pty(7).
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	master = os.NewFile(uintptr(fd), "/dev/ptmx")
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = slave.Close()
		_ = master.Close()
	})
	return master, slave
}

func (c *console) resize(rows, columns uint16) {
	c.t.Helper()
	if err := unix.IoctlSetWinsize(int(c.slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		c.t.Fatal(err)
	}
}

// press types keys.
func (c *console) press(keys string) {
	c.t.Helper()
	if _, err := io.WriteString(c.master, keys); err != nil {
		c.t.Fatal(err)
	}
}

// enter types a line.
func (c *console) enter(line string) { c.press(line + "\r") }

// until reads until a text has been printed since the last one that was
// waited for.
func (c *console) until(want string) {
	c.t.Helper()
	deadline := time.Now().Add(time.Minute)
	buf := make([]byte, 4096)
	for !strings.Contains(c.seen.String(), want) {
		_ = c.master.SetReadDeadline(deadline)
		n, err := c.master.Read(buf)
		c.seen.Write(buf[:n])
		if err != nil {
			c.t.Fatalf("never saw %q in %q: %v", want, c.seen.String(), err)
		}
	}
	_, rest, _ := strings.Cut(c.seen.String(), want)
	c.seen.Reset()
	c.seen.WriteString(rest)
}

// ended waits for the program and returns its exit code.
func (c *console) ended() int {
	c.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.cmd.Wait()
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		c.t.Fatalf("it does not end; it printed %q", c.seen.String())
	}
	return c.cmd.ProcessState.ExitCode()
}

// modes are the settings of the terminal.
func (c *console) modes() unix.Termios {
	c.t.Helper()
	m, err := unix.IoctlGetTermios(int(c.slave.Fd()), unix.TCGETS)
	if err != nil {
		c.t.Fatal(err)
	}
	return *m
}
