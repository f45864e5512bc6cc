//go:build linux

package attack

import (
	"context"
	"fmt"
	"runtime"
	"strings"
)

// outcome is how one try went.
type outcome struct {
	verdict
	reached    bool     // see cell.reached
	unreported []string // see cell.unreported
	failed     string   // why the host's side could not do its part; empty if it could
}

// bare is the outcome of a try without walls in a word.
func (o outcome) bare() Bare {
	switch {
	case o.failed != "":
		return NotTried
	case !o.succeeded:
		return Failed
	case o.reached:
		return Reached
	}
	return Succeeded
}

// try makes an attack once, in a goroutine that a row may end.
func (s *suite) try(r row, bare bool, drop []string) outcome {
	a := new(attempt)
	if bare {
		drop = nil
	}
	var o outcome
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer a.end()
		c := s.cell(a, r, r.by, drop)
		c.bare = bare
		v := r.try(c)
		v.saw = short(v.saw)
		o = outcome{verdict: v, reached: c.reached, unreported: c.unreported(r)}
	}()
	<-done
	o.failed = short(strings.Join(a.failed, "; "))
	return o
}

// short is what is shown of something that a victim may have made long.
func short(text string) string {
	const most = 300
	text = strings.ToValidUTF8(strings.TrimSpace(text), "\uFFFD")
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

// attempt is the trial of one try outside tests.
type attempt struct {
	failed   []string
	cleanups []func()
}

var _ trial = (*attempt)(nil)

// Helper has nothing to do.
func (a *attempt) Helper() {}

// Context is never done: a try is not left in the middle.
func (a *attempt) Context() context.Context { return context.Background() }

// Cleanup calls f when the try is over; the last one first.
func (a *attempt) Cleanup(f func()) { a.cleanups = append(a.cleanups, f) }

// Errorf notes that the host's side did not go as it should.
func (a *attempt) Errorf(format string, args ...any) {
	a.failed = append(a.failed, fmt.Sprintf(format, args...))
}

// Fatal notes it and ends the try.
func (a *attempt) Fatal(args ...any) { a.Fatalf("%s", fmt.Sprint(args...)) }

// Fatalf notes it and ends the try.
func (a *attempt) Fatalf(format string, args ...any) {
	a.Errorf(format, args...)
	runtime.Goexit()
}

func (a *attempt) end() {
	for len(a.cleanups) > 0 {
		last := len(a.cleanups) - 1
		f := a.cleanups[last]
		a.cleanups = a.cleanups[:last]
		f()
	}
}
