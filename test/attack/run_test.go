//go:build linux

package attack

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

func TestSettle_isNeverBlockedWhenInDoubt(t *testing.T) {
	yes, no := outcome{verdict: verdict{true, "seen"}}, outcome{verdict: verdict{false, "refused"}}
	broken := outcome{failed: "no folder"}
	silent := outcome{unreported: []string{"landlock"}}
	for _, tt := range []struct {
		name          string
		without, with outcome
		want          Verdict
		why           string
	}{
		{"stopped by its walls", yes, no, Blocked, ""},
		{"not stopped", yes, yes, Open, "seen"},
		{"not stopped, and never without walls", no, yes, Open, "seen"},
		{"fails in any case", no, no, Untestable, "refused"},
		{"cannot be tried without walls", broken, no, Untestable, "no folder"},
		{"cannot be tried with walls", yes, broken, Untestable, "no folder"},
		{"stopped by walls that are not reported", yes, silent, Open, "landlock"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, why := settle(row{walls: []string{landlock}}, tt.without, tt.with)
			if got != tt.want || !strings.Contains(why, tt.why) {
				t.Errorf("settle = %s, %q, want %s, %q", got, why, tt.want, tt.why)
			}
		})
	}
}

func TestTry_endsAndCleansUpWhenTheHostFails(t *testing.T) {
	var cleaned []int
	o := house.try(row{try: func(c *cell) verdict {
		c.Cleanup(func() { cleaned = append(cleaned, 1) })
		c.Cleanup(func() { cleaned = append(cleaned, 2) })
		c.Fatalf("no %s", "terminal")
		return verdict{succeeded: true}
	}}, false, nil)
	if o.failed != "no terminal" || o.succeeded || o.bare() != NotTried {
		t.Errorf("outcome = %+v, want one that failed", o)
	}
	if !slices.Equal(cleaned, []int{2, 1}) {
		t.Errorf("cleaned up %v, want the last first", cleaned)
	}
}

func TestJudge_findsASandboxThatIsOpen(t *testing.T) {
	r := row{id: "X01", attack: "read what was granted", walls: []string{tree}, try: func(c *cell) verdict {
		res := c.run("/bin/cat", c.shown+"/file")
		return verdict{string(res.Stdout) == "shown", string(res.Stdout)}
	}}
	got := house.judge(r)
	if got.Verdict != Open || got.Bare != Succeeded || got.Why != "shown" || len(got.StoppedBy) != 0 {
		t.Errorf("judge = %+v, want it open", got)
	}
}

func TestJudge_saysWhatTheHostLacks(t *testing.T) {
	got := house.judge(row{id: "X02", need: need{"wings", func() bool { return false }}})
	if got.Verdict != Untestable || got.Bare != NotTried || got.Why != "this host lacks wings" {
		t.Errorf("judge = %+v", got)
	}
}

func TestRun_endsWhenItIsInterruptedAndLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", os.Getenv("TMPDIR"))
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Run(ctx, Options{Progress: func(done, all int, _ string) {
		if all != len(rows()) {
			t.Errorf("%d rows in all, want %d", all, len(rows()))
		}
		if done == 1 {
			cancel()
		}
	}})
	if fault.KindOf(err) != fault.Interrupted {
		t.Errorf("Run = %v, want it interrupted", err)
	}
	base := os.Getenv("TMPDIR")
	if _, err := os.Stat(base); base == house.base || !os.IsNotExist(err) {
		t.Errorf("the folder %s of the run is still there: %v", base, err)
	}
}
