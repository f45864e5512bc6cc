//go:build linux

// Package victim is the program that the attack suite runs inside sandboxes.
// Each subcommand tries one attack, or one list of system calls, and prints a
// single JSON line: what it tried and what the kernel answered. A program that
// runs the suite is its own victim: see Init.
//
// Nothing that it prints is taken as proof that an attack was stopped: the
// suite looks at the host too.
package victim

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// Name is the file name under which the program is a victim.
const Name = "bulkhead-victim"

// patience ends a victim that hangs; no attack needs so long.
const patience = 30 * time.Second

// attacks are the subcommands.
var attacks = map[string]func(args []string) any{
	"calls":  calls,
	"inside": inside,
	"forks":  forks,
	"touch":  touch,
	"serve":  serve,
	"memory": memory,
	"files":  files,
	"daemon": daemon,
	"hold":   hold,
	"fill":   fill,
	"env":    environment,
	"forge":  forge,
	"int80":  int80,
	"stdin":  stdin,
}

// Init turns the process into a victim if its name is Name, and then never
// returns. Otherwise it does nothing. No environment variable decides: whoever
// starts a sandboxed program sets those.
func Init() {
	if len(os.Args) == 0 || filepath.Base(os.Args[0]) != Name {
		return
	}
	runtime.LockOSThread() // some calls are about one thread
	time.AfterFunc(patience, func() { os.Exit(99) })
	if len(os.Args) < 2 || attacks[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "victim: no such attack")
		os.Exit(2)
	}
	say(attacks[os.Args[1]](os.Args[2:]))
	os.Exit(0)
}

// again is this program once more, as a victim.
func again(args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = Name
	return cmd
}

// say prints one line. A nil answer prints nothing.
func say(answer any) {
	if answer != nil {
		_ = json.NewEncoder(os.Stdout).Encode(answer)
	}
}

// count is the answer of the attacks that ask "how many".
type count struct {
	Tried string `json:"tried"`
	N     int    `json:"n"`
	Error string `json:"error,omitempty"`
}

func counted(tried string, n int, err error) count {
	c := count{Tried: tried, N: n}
	if err != nil {
		c.Error = err.Error()
	}
	return c
}
