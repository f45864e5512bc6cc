//go:build linux

package victim

import (
	"os"
	"os/exec"
	"strconv"
)

func number(args []string, i int) int {
	n, _ := strconv.Atoi(args[i])
	return n
}

// forks starts children until there are N or the kernel has enough, and then
// ends them: forks N.
func forks(args []string) any {
	var children []*exec.Cmd
	defer func() {
		for _, c := range children {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	}()
	for range number(args, 0) {
		c := exec.Command("/bin/sleep", "20")
		if err := c.Start(); err != nil {
			return counted("fork", len(children), err)
		}
		children = append(children, c)
	}
	return counted("fork", len(children), nil)
}

// memory touches N MiB: memory N.
func memory(args []string) any {
	n := number(args, 0)
	var kept [][]byte
	for range n {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		kept = append(kept, b)
	}
	return counted("allocate memory", len(kept), nil)
}

// files opens one file again and again: files N.
func files(args []string) any {
	var open []*os.File
	for range number(args, 0) {
		f, err := os.Open("/dev/null")
		if err != nil {
			return counted("open", len(open), err)
		}
		open = append(open, f)
	}
	return counted("open", len(open), nil)
}

// fill writes N KiB into a file: fill FILE N.
func fill(args []string) any {
	f, err := os.OpenFile(args[0], os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o666)
	if err != nil {
		return counted("fill", 0, err)
	}
	defer f.Close()
	for n := range number(args, 1) {
		if _, err := f.Write(make([]byte, 1<<10)); err != nil {
			return counted("fill", n, err)
		}
	}
	return counted("fill", number(args, 1), nil)
}

// touch makes N empty files in FOLDER: touch FOLDER N.
func touch(args []string) any {
	for n := range number(args, 1) {
		f, err := os.Create(args[0] + "/" + strconv.Itoa(n))
		if err != nil {
			return counted("touch", n, err)
		}
		f.Close()
	}
	return counted("touch", number(args, 1), nil)
}
