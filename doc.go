// Package bulkhead runs commands in sandboxes: the Go SDK.
//
// A sandbox starts from default deny. What it may touch is a policy.Policy;
// the zero Policy may run the system's own programs and nothing else: no file
// of yours, no network, nothing of your environment.
//
// Run runs one command in a sandbox of its own:
//
//	result, err := bulkhead.Run(ctx, policy.Policy{}, "sh", "-c", "id; ls /")
//
// NewSandbox starts one that stays, with a Command that is shaped like
// os/exec's, and with files, terminals, ports and processes:
//
//	sb, err := bulkhead.NewSandbox(ctx, policy.Policy{}.With(policy.ReadOnly(src)))
//	defer sb.Close()
//	out, err := sb.Command("python3", "-c", "print(6 * 7)").Output()
//
// No daemon is needed: the walls are put up by this process, and every sandbox
// ends with it. Sandboxes that stay need the program bulkhead-init; see
// Options.Init. On architectures without the fast launcher (all but amd64) a
// program calls Init first in main.
//
// The folder of this package also holds the tests that watch over the whole
// tree: which way imports point, that everything exported is explained, and
// that every dependency is accounted for.
package bulkhead
