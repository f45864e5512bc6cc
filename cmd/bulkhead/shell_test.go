package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/sandbox/sandboxtest"
)

// shellEnv is a home of its own for the program.
func shellEnv(t *testing.T) []string {
	needSandbox(t)
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return []string{"HOME=" + dir, "XDG_RUNTIME_DIR=" + dir, "BULKHEAD_STATE=" + dir + "/state", "BULKHEAD_INIT=" + sandboxtest.Init(t), "TERM=xterm"}
}

// mustRun runs this program to a good end.
func mustRun(t *testing.T, env []string, args ...string) {
	t.Helper()
	if out, err := self(env, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

func TestShell_isATerminalInASandbox(t *testing.T) {
	env := shellEnv(t)
	mustRun(t, env, "sandbox", "create", "box")
	defer mustRun(t, env, "sandbox", "rm", "box")

	for _, args := range [][]string{{"shell"}, {"shell", "box"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			c := openConsole(t, env, args...)
			before := c.modes()
			c.until("/work")
			c.enter("tty; stty size; id -un; echo $TERM$((40+2))")
			c.until("/dev/pts/")
			c.until("30 100")
			c.until("sandbox")
			c.until("xterm42")

			c.resize(44, 132)
			c.enter(`until [ "$(stty size)" = '44 132' ]; do sleep 0.05; done; echo re''sized`)
			c.until("resized")

			c.enter("echo st''arted; sleep 1000")
			c.until("started")
			time.Sleep(300 * time.Millisecond) // it sleeps
			c.press("\x03")
			c.enter("echo $((6*7))after")
			c.until("42after")

			c.enter(`printf 'a\033]52;c;aGk=\007b\033[6nc\033[?1000hd\n'`)
			c.until("abc\x1b[?1000hd")
			c.enter("exit 7")
			c.until("\x1b[?1000l") // taken back
			if code := c.ended(); code != 7 {
				t.Errorf("exit code %d, want 7", code)
			}
			if after := c.modes(); after != before {
				t.Errorf("modes %+v, want %+v", after, before)
			}
		})
	}
}

func TestShell_givesTheTerminalBackWhenASignalEndsIt(t *testing.T) {
	c := openConsole(t, shellEnv(t), "shell")
	before := c.modes()
	c.until("/work")
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := c.ended(); code != 143 {
		t.Errorf("exit code %d, want 143", code)
	}
	if after := c.modes(); after != before {
		t.Errorf("modes %+v, want %+v", after, before)
	}
}

func TestShell_passesEverythingWithRaw(t *testing.T) {
	c := openConsole(t, shellEnv(t), "shell", "--raw", "--", "printf", `a\033]52;c;aGk=\007b`)
	c.until("a\x1b]52;c;aGk=\ab")
	if code := c.ended(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestShell_tellsWhatCannotBe(t *testing.T) {
	env := shellEnv(t)
	for _, row := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"shell", "nobox"}, 125, `no sandbox "nobox"`},
		{[]string{"shell", "--read", "/usr", "nobox"}, 125, "--read cannot change"},
		{[]string{"shell", "box", "ls"}, 125, "a command follows after --"},
		{[]string{"shell", "--", "no-such-program"}, 127, "no-such-program"},
	} {
		c := openConsole(t, env, row.args...)
		c.until(row.says)
		if code := c.ended(); code != row.code {
			t.Errorf("%v: exit code %d, want %d", row.args, code, row.code)
		}
	}
	cmd := self(env, "shell")
	if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 125 || !strings.Contains(string(out), "needs a terminal") {
		t.Errorf("without a terminal: %d, %s", cmd.ProcessState.ExitCode(), out)
	}
}

// What runs on the terminal of a sandbox can be an editor or a pager.
func TestShell_runsEditorsAndPagers(t *testing.T) {
	c := openConsole(t, shellEnv(t), "shell")
	c.until("/work")
	c.enter(`printf 'line one\nline two\n' > f; PS1='do''ne> '`)
	c.until("done> ")
	if has("less") {
		c.enter("less f")
		c.until("line two")
		c.press("q")
		c.until("done> ")
	}
	if has("vi") {
		c.enter("vi f")
		c.until("line two")
		c.press("dd:wq\r")
		c.until("done> ")
		c.enter("echo $(cat f)$((1+1))")
		c.until("line two2")
	}
	c.enter("exit")
	if code := c.ended(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func has(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}
