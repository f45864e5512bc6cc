// Package learn finds the smallest policy under which a command passes. It
// runs the command again and again, always confined: each time it adds the
// grants that the refusals of the last time name, until the command passes or
// nothing new is refused, and then takes away what it passes without.
//
// The command chooses what it asks for, so what comes out is a proposal for a
// person to read. Nothing is applied, and some things are never proposed,
// whatever asks for them: see refuse.go.
package learn

import (
	"context"
	"fmt"
	"slices"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Options say what to learn, and by what means.
type Options struct {
	// Base is granted to begin with; it is part of the answer.
	Base policy.Policy
	// Args is the command.
	Args []string
	// Rounds is how often the command may run; 0: 30.
	Rounds int
	// Homes are home folders of people, beside those that the host knows.
	Homes []string

	// Run runs the command once under a policy. What the policy lets it write
	// must be thrown away afterwards.
	Run func(ctx context.Context, p policy.Policy) (sandbox.Result, error)
	// May says why a policy would be refused for what its grants lead to; nil
	// where it would not.
	May func(p policy.Policy) error
	// Tell is told what happens, a line at a time; nil: nobody is.
	Tell func(format string, args ...any)
}

const defaultRounds = 30

// Lesson is what was learned.
type Lesson struct {
	Passed  bool
	Policy  policy.Policy // Options.Base and the grants
	Grants  []Suggestion  // in the order of the policy: reads, then writes
	Refused []Suggestion  // what was refused and is not proposed
	Rounds  int
	Last    sandbox.Result // of the run under Policy
	Note    string         // why it ended without passing; empty: it passed
}

// Suggestion is one grant, or one refusal that no grant is proposed for.
type Suggestion struct {
	Path    string   // or an address, or a limit
	Write   bool     //
	Verdict Verdict  //
	Why     string   // for the one who decides
	Seen    []string // operations that were refused
}

// Verdict is what to make of a suggestion.
type Verdict string

// The verdicts.
const (
	OK      Verdict = "ok"
	Look    Verdict = "look" // a person should look at it
	Refused Verdict = "refused"
)

// Flag is the suggestion as a flag of the command line; empty: there is none.
func (s Suggestion) Flag() string {
	switch {
	case s.Verdict == Refused:
		return ""
	case s.Write:
		return "--write " + s.Path
	}
	return "--read " + s.Path
}

// Learn runs the command until it passes, which is with exit code 0, or until
// there is nothing left to try. An error means that the command could not be
// run at all.
func Learn(ctx context.Context, opt Options) (Lesson, error) {
	if opt.Rounds <= 0 {
		opt.Rounds = defaultRounds
	}
	if opt.Tell == nil {
		opt.Tell = func(string, ...any) {}
	}
	l := &learner{Options: opt, refusals: refusals{}, host: readHost(opt.Homes)}
	if err := l.grow(ctx); err != nil {
		return Lesson{}, err
	}
	if l.passed {
		if err := l.shrink(ctx); err != nil {
			return Lesson{}, err
		}
	}
	return l.lesson(), nil
}

// learner is a lesson in the making.
type learner struct {
	Options
	host     host
	rounds   int
	passed   bool
	last     sandbox.Result
	note     string
	unproven bool   // the rounds ran out before every grant was tried
	grants   grants // so far
	refusals refusals
}

// run runs the command under the base and some grants.
func (l *learner) run(ctx context.Context, g grants) (sandbox.Result, error) {
	l.rounds++
	p := g.add(l.Base)
	p.TraceDenials = true
	r, err := l.Run(ctx, p)
	if err == nil && r.Cancelled {
		err = fault.New(fault.Cancelled, "stopped")
	}
	return r, err
}

func passes(r sandbox.Result) bool {
	return r.ExitCode == 0 && r.Signal == 0 && !r.TimedOut && r.Limit == ""
}

// grow adds grants until the command passes.
func (l *learner) grow(ctx context.Context) error {
	for l.rounds < l.Rounds {
		r, err := l.run(ctx, l.grants)
		if err != nil {
			return err
		}
		l.last = r
		if passes(r) {
			l.passed = true
			l.Tell("round %d: it passes", l.rounds)
			return nil
		}
		fresh := l.propose(r)
		l.Tell("round %d: %s; refusals: %d, new grants to try: %d", l.rounds, ended(r), len(r.Report.Denials), len(fresh))
		if len(fresh) == 0 {
			l.note = "it does not pass (" + ended(r) + "), and nothing more that could be granted was refused"
			return nil
		}
		l.grants = l.widen(l.grants.with(fresh))
	}
	l.note = fmt.Sprintf("it did not pass in %d rounds", l.rounds)
	return nil
}

// ended is how a run ended, in words.
func ended(r sandbox.Result) string {
	switch {
	case r.TimedOut:
		return "it ran out of time"
	case r.Limit != "":
		return "it reached its limit of " + r.Limit
	case r.Signal != 0:
		return fmt.Sprintf("signal %d", r.Signal)
	}
	return fmt.Sprintf("exit code %d", r.ExitCode)
}

// shrink takes grants away as long as the command passes: halves first, then
// ever smaller parts, so that few rounds are spent where little is needed.
func (l *learner) shrink(ctx context.Context) error {
	for size := (len(l.grants) + 1) / 2; size >= 1 && len(l.grants) > 0; size /= 2 {
		for from := 0; from < len(l.grants); {
			if l.rounds >= l.Rounds {
				l.unproven = true
				return nil
			}
			fewer := slices.Delete(slices.Clone(l.grants), from, min(from+size, len(l.grants)))
			r, err := l.run(ctx, fewer)
			if err != nil {
				return err
			}
			if !passes(r) {
				from += size
				continue
			}
			l.Tell("round %d: it passes without %d of the grants", l.rounds, len(l.grants)-len(fewer))
			l.grants, l.last = fewer, r
		}
	}
	return nil
}

// lesson sums up.
func (l *learner) lesson() Lesson {
	out := Lesson{Passed: l.passed, Policy: l.grants.add(l.Base), Rounds: l.rounds, Last: l.last, Note: l.note}
	for _, write := range []bool{false, true} {
		for _, g := range l.grants {
			if g.Write != write {
				continue
			}
			s := g.Suggestion
			if l.unproven {
				s.Verdict, s.Why = Look, s.Why+"; the rounds ran out before it was tried without"
			}
			out.Grants = append(out.Grants, s)
		}
	}
	out.Refused = l.left()
	return out
}
