//go:build linux

package attack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
)

// Verdict is what became of an attack on a sandbox with all its walls.
type Verdict string

// The verdicts. A row that proves nothing on this host is untestable, never
// blocked.
const (
	Blocked    Verdict = "blocked"
	Open       Verdict = "open"
	Untestable Verdict = "untestable"
)

// Bare is what became of an attack without the walls that are to stop it.
type Bare string

// The ways to go without walls. An attack that would do harm is made so that
// the kernel refuses it; that it reached the kernel is what proves the row.
const (
	Succeeded Bare = "succeeded"
	Reached   Bare = "reached the kernel"
	Failed    Bare = "failed"
	NotTried  Bare = "not tried"
)

// Result is one row of the suite as it went here.
type Result struct {
	ID        string
	Attack    string // in words
	Bare      Bare
	Verdict   Verdict
	StoppedBy []string // the walls, each enough alone; none where no wall can be taken out by itself
	Why       string   // why it is open or untestable, or what stops it if no wall does alone
}

// Options of Run. The zero Options are the ones to use.
type Options struct {
	// Progress is called before each row, with the number of rows that are
	// done and of all; nil: nobody looks.
	Progress func(done, all int, attack string)
}

// Run makes every attack, without its walls and with all of them, against the
// native layer, and returns a result for each, by id. The program must have
// called Init and reexec.Init. When ctx ends, Run ends after the attack that it
// is at and returns a fault.Interrupted; a host that can start no sandbox is
// the error of that start. Either way the folder of the run is gone. Run
// changes TMPDIR of the process, and its limit of core dumps: it is for a
// process of its own, one at a time.
func Run(ctx context.Context, opt Options) (results []Result, err error) {
	s, err := newSuite()
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "prepare attacks: %w", err)
	}
	defer func() { err = errors.Join(err, s.close()) }()

	if err := s.canStart(ctx); err != nil {
		return nil, err
	}
	all := sorted()
	for i, r := range all {
		if opt.Progress != nil {
			opt.Progress(i, len(all), r.id+" "+r.attack)
		}
		result := s.judge(r)
		if ctx.Err() != nil {
			return nil, fault.New(fault.Interrupted, "interrupted")
		}
		results = append(results, result)
	}
	return results, nil
}

// sorted is all rows by id.
func sorted() []row {
	all := slices.Clone(rows())
	slices.SortStableFunc(all, func(a, b row) int { return strings.Compare(a.id, b.id) })
	return all
}

// canStart starts one sandbox: without any, no row would prove anything.
func (s *suite) canStart(ctx context.Context) error {
	_, err := sandbox.New(s.layer("", nil)).Run(ctx, sandbox.Request{Args: []string{"true"}}, sandbox.IO{})
	if err != nil {
		return fmt.Errorf("start a sandbox to attack: %w", err)
	}
	return nil
}

// judge makes one attack, without its walls and with all of them.
func (s *suite) judge(r row) Result {
	res := Result{ID: r.id, Attack: r.attack, Bare: NotTried, Verdict: Untestable, Why: r.cannot()}
	if res.Why != "" {
		return res
	}
	without, with := s.try(r, r.bare, r.open()), s.try(r, false, nil)
	res.Bare = without.bare()
	res.Verdict, res.Why = settle(r, without, with)
	if res.Verdict == Blocked {
		res.StoppedBy = r.stops()
	}
	return res
}

// cannot says why the attack cannot be made here; empty if it can.
func (r row) cannot() string {
	switch {
	case !r.runs(r.by):
		return fmt.Sprintf("only %s: %s", map[string]string{"root": "as root", "user": "as an ordinary user"}[r.only], r.why)
	case !r.need.met():
		return "this host lacks " + r.need.name
	}
	return ""
}

// settle is the verdict on a row by both its tries, and the reason. What is
// not certain is never blocked.
func settle(r row, without, with outcome) (Verdict, string) {
	switch {
	case with.succeeded:
		return Open, with.saw
	case with.failed != "":
		return Untestable, "with all walls: " + with.failed
	case without.failed != "":
		return Untestable, "without its walls: " + without.failed
	case !without.succeeded:
		return Untestable, "without its walls it fails too: " + without.saw
	case len(with.unreported) > 0:
		return Open, "the report does not name as enforced: " + strings.Join(with.unreported, ", ")
	case len(r.stops()) == 0:
		return Blocked, r.why
	}
	return Blocked, ""
}
