// Command bulkhead runs agent workflows and untrusted commands, each step in
// its own sandbox.
package main

import (
	"os"

	"github.com/bulkhead-dev/bulkhead/internal/jail/reexec"
	"github.com/bulkhead-dev/bulkhead/test/attack"
)

func main() {
	attack.Init() // the attack suite's victim is this binary, under another name
	reexec.Init() // a sandbox's first process may be this binary, started again

	os.Exit(program{in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv}.run(os.Args[1:]))
}
