package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/policy"
	"github.com/bulkhead-dev/bulkhead/test/attack"
)

// selftest attacks sandboxes of this host.
func (p program) selftest() *cobra.Command {
	var layer string
	cmd := &cobra.Command{
		Use:   "selftest",
		Short: "Try to break out of sandboxes on this host",
		Long: `Try to break out of sandboxes on this host: the whole attack suite, each attack
without the walls that are to stop it and with all of them. An attack that fails
without them too proves nothing, and is untestable. Root can mount attacks that an
ordinary user cannot. Nothing of the host is touched but folders that the suite
makes itself and removes. The exit code is 1 when an attack succeeded.`,
		Example: "  bulkhead selftest\n  bulkhead selftest --json | jq '.rows[] | select(.verdict != \"blocked\")'",
		Args:    wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if layer != string(policy.Native) {
				return fault.Newf(fault.Unsupported, "layer %q is not available here", layer).WithHint("the layer that can be attacked is native")
			}
			return p.runSelftest(cmd)
		},
	}
	cmd.Flags().StringVar(&layer, "layer", string(policy.Native), "isolation `LAYER` to attack: native")
	_ = cmd.RegisterFlagCompletionFunc("layer", words("native"))
	return cmd
}

func (p program) runSelftest(cmd *cobra.Command) error {
	results, err := p.attacks(cmd.Context())
	if err != nil {
		return err
	}
	if wantsJSON(cmd) {
		err = p.json(selftestMessage(results))
	} else {
		err = p.printSelftest(results)
	}
	if err == nil && verdicts(results, attack.Open) > 0 {
		return exitStatus(1)
	}
	return err
}

// attacks runs the suite, and tells a terminal how far it is.
func (p program) attacks(ctx context.Context) ([]attack.Result, error) {
	ctx, _, stop := interruptible(ctx)
	defer stop()

	opt := attack.Options{}
	if tty := terminal(p.err); tty != nil {
		const clear = "\r\x1b[K"
		defer fmt.Fprint(tty, clear)
		opt.Progress = func(done, all int, name string) {
			fmt.Fprintf(tty, clear+"%d/%d %s", done, all, cut(oneLine(name), 60))
		}
	}
	return attack.Run(ctx, opt)
}

// printSelftest prints the rows for people.
func (p program) printSelftest(results []attack.Result) error {
	t := table{{"ID", "ATTACK", "VERDICT", "STOPPED BY"}}
	for _, r := range results {
		t = append(t, []string{r.ID, r.Attack, shout(r.Verdict), cmp.Or(strings.Join(r.StoppedBy, ", "), "("+r.Why+")")})
	}
	return p.say("%s\n%d attacks: %d blocked, %d open, %d untestable", t.String(), len(results),
		verdicts(results, attack.Blocked), verdicts(results, attack.Open), verdicts(results, attack.Untestable))
}

// shout makes what nobody may overlook large.
func shout(v attack.Verdict) string {
	if v == attack.Open {
		return "OPEN"
	}
	return string(v)
}

func verdicts(results []attack.Result, v attack.Verdict) (n int) {
	for _, r := range results {
		if r.Verdict == v {
			n++
		}
	}
	return n
}

// selftestMessage is the results as the API has them.
func selftestMessage(results []attack.Result) *apiv1.Selftest {
	m := new(apiv1.Selftest)
	for _, r := range results {
		m.Rows = append(m.Rows, &apiv1.SelftestRow{
			Id: r.ID, Attack: r.Attack, Bare: string(r.Bare), Verdict: string(r.Verdict),
			StoppedBy: r.StoppedBy, Why: r.Why,
		})
	}
	return m
}
