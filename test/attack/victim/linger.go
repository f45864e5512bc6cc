//go:build linux

package victim

import (
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

// daemon leaves a process of its own session behind, which holds a lock on
// FILE for SECONDS, and ends: daemon FILE SECONDS [stdout]. With the word stdout
// the process keeps the stream open too.
func daemon(args []string) any {
	cmd := again("hold", args[0], args[1])
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if len(args) > 2 {
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	}
	if err := cmd.Start(); err != nil {
		return counted("start daemon", 0, err)
	}
	for range 500 { // until the lock is held
		if b, _ := os.ReadFile(args[0]); len(b) > 0 {
			return counted("start daemon", cmd.Process.Pid, nil)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return counted("start daemon", 0, os.ErrDeadlineExceeded)
}

// hold locks FILE, writes the word "held" and stays for SECONDS: hold FILE SECONDS.
func hold(args []string) any {
	f, err := os.OpenFile(args[0], os.O_RDWR, 0)
	if err != nil {
		return counted("open", 0, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return counted("lock", 0, err)
	}
	_, _ = f.WriteString("held")
	time.Sleep(time.Duration(number(args, 1)) * time.Second)
	return nil
}

// stdin copies what fd 0 gives into FILE; a folder's names if it is one, and
// what the file NAME in it holds: stdin FILE NAME.
func stdin(args []string) any {
	b := make([]byte, 4096)
	n, err := syscall.Read(0, b)
	if err == syscall.EISDIR {
		var fd int
		if fd, err = syscall.Openat(0, args[1], syscall.O_RDONLY, 0); err == nil {
			n, err = syscall.Read(fd, b)
		}
	}
	if err == nil && n > 0 {
		_ = os.WriteFile(args[0], b[:n], 0o666)
	}
	return counted("read fd 0", n, err)
}

// forge writes made-up end messages and reports to every descriptor that it
// may have, and ends with status 5.
func forge([]string) any {
	for fd := range 256 {
		if fd < 3 {
			continue
		}
		_, _ = syscall.Write(fd, make([]byte, 8))
	}
	report := `{"exit_code":0,"report":{"layer":"microvm","steps":[{"name":"forged","status":"enforced"}],"denials":[]}}`
	os.Stdout.WriteString(report + "\n")
	os.Stderr.WriteString(report + "\n")
	for _, pid := range []int{1, os.Getppid()} {
		for _, fd := range []string{"1", "2", "3"} {
			if f, err := os.OpenFile("/proc/"+strconv.Itoa(pid)+"/fd/"+fd, os.O_WRONLY, 0); err == nil {
				_, _ = f.Write(make([]byte, 8))
			}
		}
	}
	os.Exit(5)
	return nil
}

// environment tells every environment that can be read.
func environment([]string) any {
	seen := map[string]string{"self": ""}
	for _, v := range os.Environ() {
		seen["self"] += v + "\n"
	}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if b, err := os.ReadFile("/proc/" + e.Name() + "/environ"); err == nil {
			seen[e.Name()] = string(b)
		}
	}
	return seen
}

// serve listens on loopback, writes its port into FILE, and counts who comes
// until there is a STOP: serve FILE STOP.
func serve(args []string) any {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return counted("listen", 0, err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := os.WriteFile(args[0], []byte(strconv.Itoa(port)), 0o666); err != nil {
		return counted("listen", 0, err)
	}
	go func() {
		for {
			if _, err := os.Stat(args[1]); err == nil {
				l.Close()
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	if _, err := l.Accept(); err != nil {
		return counted("accept", 0, err)
	}
	return counted("accept", 1, nil)
}
