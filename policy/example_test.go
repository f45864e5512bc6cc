package policy_test

import (
	"fmt"
	"os"

	"github.com/bulkhead-dev/bulkhead/policy"
)

func ExampleParse() {
	_, err := policy.Parse("policy.yaml", []byte("filesytem:\n  read: [/usr/share]\n"))
	fmt.Println(err)
	// Output:
	// policy.yaml:1:1: /filesytem: unknown key "filesytem"; did you mean "filesystem"?
}

func ExamplePolicy_With() {
	base := policy.Policy{}.With(policy.ReadOnly("/usr/share"))
	wider := base.With(policy.Writable("$WORKSPACE"), policy.Memory(512*policy.MiB))
	_ = base.Print(os.Stdout)
	fmt.Println("---")
	_ = wider.Print(os.Stdout)
	// Output:
	// filesystem:
	//   read:
	//     - /usr/share
	// ---
	// filesystem:
	//   read:
	//     - /usr/share
	//   write:
	//     - $WORKSPACE
	// limits:
	//   memory: 512M
}

func ExampleNarrow() {
	request := policy.Policy{}.With(policy.ReadOnly("/data/in", "/etc"), policy.PassEnv("TOKEN"))
	ceiling := policy.Policy{}.With(policy.ReadOnly("/data"))

	granted, excess := policy.Narrow(ceiling, request)
	fmt.Println(granted.Filesystem.Read)
	for _, e := range excess {
		fmt.Println(e)
	}
	// Output:
	// [/data/in]
	// asks to read "/etc", which was not granted; grant it with --read /etc
	// asks to see the variable "TOKEN", which was not granted; grant it with --pass-env TOKEN
}

func ExampleResolve() {
	p := policy.Policy{}.With(policy.ReadOnly("~/src", "${inputs.tree}"), policy.Writable("$WORKSPACE/out"))
	p, err := policy.Resolve(p, policy.Placement{
		Home:   "/home/ann",
		Inputs: map[string]string{"tree": "/srv/tree"},
	})
	fmt.Println(p.Filesystem.Read, p.Filesystem.Write, err)
	// Output:
	// [/home/ann/src /srv/tree] [$WORKSPACE/out] <nil>
}

func ExampleCheck() {
	p := policy.Policy{}.With(policy.ReadOnly("/home/ann"))
	fmt.Println(policy.Check(p, policy.HostPaths{State: "/home/ann/.local/state/bulkhead"}))
	// Output:
	// read "/home/ann": it holds Bulkhead's state folder "/home/ann/.local/state/bulkhead"
}
