package bulkhead_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bulkhead-dev/bulkhead"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// One command in a sandbox of its own, that may touch nothing.
func ExampleRun() {
	ctx := context.Background()
	result, err := bulkhead.Run(ctx, policy.Policy{}, "sh", "-c", "id -un; cat /etc/shadow; exit 3")
	if err != nil {
		fmt.Println(err) // nothing ran
		return
	}
	fmt.Printf("%s", result.Stdout)
	fmt.Println("exit code", result.ExitCode)
	// Output:
	// sandbox
	// exit code 3
}

// A folder is granted by name, for reading only.
func ExampleRun_grant() {
	dir, _ := os.MkdirTemp("", "grant")
	defer os.RemoveAll(dir)
	_ = os.WriteFile(filepath.Join(dir, "notes"), []byte("from the host\n"), 0o600)

	p := policy.Policy{}.With(policy.ReadOnly(dir), policy.Memory(256*policy.MiB), policy.SetEnv("DIR", dir))
	result, err := bulkhead.Run(context.Background(), p, "sh", "-c", "cat $DIR/notes; touch $DIR/new || echo refused")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", result.Stdout)
	// Output:
	// from the host
	// refused
}

// A sandbox that stays runs one command after the other, or many at once.
func ExampleNewSandbox() {
	sb, err := bulkhead.NewSandbox(context.Background(), policy.Policy{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sb.Close()

	_ = sb.Command("sh", "-c", "echo kept > file").Run()
	out, err := sb.Command("cat", "file").Output()
	fmt.Printf("%s%v\n", out, err)
	// Output:
	// kept
	// <nil>
}

// A command is shaped like os/exec's: a bad end is an *ExitError.
func ExampleCmd_Run() {
	sb, err := bulkhead.NewSandbox(context.Background(), policy.Policy{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sb.Close()

	err = sb.Command("sh", "-c", "exit 3").Run()
	var exit *bulkhead.ExitError
	if errors.As(err, &exit) {
		fmt.Println(err, exit.ExitCode)
	}
	fmt.Println(errors.Is(sb.Command("no-such-program").Run(), os.ErrNotExist))
	// Output:
	// exit status 3 3
	// true
}

// Pipes carry what is written and read while the command runs.
func ExampleCmd_StdinPipe() {
	sb, err := bulkhead.NewSandbox(context.Background(), policy.Policy{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sb.Close()

	cmd := sb.Command("tr", "a-z", "A-Z")
	stdin, _ := cmd.StdinPipe()
	stdout, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		fmt.Println(err)
		return
	}
	_, _ = io.WriteString(stdin, "hello\n")
	_ = stdin.Close()
	out, _ := io.ReadAll(stdout)
	fmt.Printf("%s%v\n", out, cmd.Wait())
	// Output:
	// HELLO
	// <nil>
}

// A command's time is limited by its context, its own Timeout or the policy.
func ExampleCmd_timeout() {
	sb, err := bulkhead.NewSandbox(context.Background(), policy.Policy{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sb.Close()

	cmd := sb.Command("sleep", "1000")
	cmd.Timeout = 50 * time.Millisecond
	fmt.Println(cmd.Run())
	fmt.Println(sb.Command("true").Run()) // the sandbox goes on
	// Output:
	// out of time
	// <nil>
}

// Files go in and out without a command.
func ExampleSandbox_WriteFile() {
	ctx := context.Background()
	sb, err := bulkhead.NewSandbox(ctx, policy.Policy{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sb.Close()

	_ = sb.WriteFile(ctx, "/work/numbers", []byte("3\n1\n2\n"), 0o644)
	_ = sb.Command("sort", "-o", "sorted", "numbers").Run()
	data, err := sb.ReadFile(ctx, "/work/sorted")
	fmt.Printf("%q %v\n", data, err)
	// Output:
	// "1\n2\n3\n" <nil>
}

// What the sandbox uses, and how it ends when nobody needs it.
func ExampleIdle() {
	sb, err := bulkhead.NewSandbox(context.Background(), policy.Policy{}, bulkhead.Idle(50*time.Millisecond))
	if err != nil {
		fmt.Println(err)
		return
	}
	<-sb.Done()
	fmt.Println(sb.Err())
	// Output:
	// the sandbox was idle for too long
}

// A stock has sandboxes ready before they are asked for.
func ExampleRuntime_NewStock() {
	ctx := context.Background()
	r, err := bulkhead.Open(bulkhead.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	stock, err := r.NewStock(policy.Policy{}, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stock.Close()

	for _, word := range []string{"one", "two", "three"} {
		sb, err := stock.Take(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		out, _ := sb.Command("sh", "-c", "ls | wc -l; echo "+word+" > mark").Output()
		fmt.Println(word, strings.TrimSpace(string(out)))
		_ = sb.Close()
	}
	// Output:
	// one 0
	// two 0
	// three 0
}
