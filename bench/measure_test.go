package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestAt_takesTheNearestRank(t *testing.T) {
	var s series
	for i := range 200 {
		s.times = append(s.times, time.Duration(i+1))
	}
	for q, want := range map[float64]time.Duration{0.50: 100, 0.95: 190, 0.99: 198, 1: 200, 0: 1} {
		if got := s.at(q); got != want {
			t.Errorf("at(%v) = %v, want %v", q, got, want)
		}
	}
	if got := (series{}).at(0.5); got != 0 {
		t.Errorf("at of nothing = %v, want 0", got)
	}
}

func TestInterleave_takesTurns(t *testing.T) {
	var order strings.Builder
	note := func(name string) variant {
		return variant{name, func() error { order.WriteString(name); return nil }}
	}
	rows, err := interleave(3, []variant{note("a"), note("b")})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := order.String(), "abbaabbaabbaabba"; got != want {
		t.Errorf("order = %s, want %s", got, want)
	}
	for _, s := range rows {
		if len(s.times) != 3 {
			t.Errorf("%s has %d samples, want 3: warming up does not count", s.name, len(s.times))
		}
	}
}

func TestInterleave_stopsAtTheFirstError(t *testing.T) {
	broken := errors.New("broken")
	_, err := interleave(3, []variant{{"x", func() error { return broken }}})
	if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "x: ") {
		t.Errorf("err = %v, want x: broken", err)
	}
}

func TestTable_comparesWithTheFirstRow(t *testing.T) {
	var b strings.Builder
	table(&b, []series{{"base", []time.Duration{time.Millisecond}}, {"other", []time.Duration{3 * time.Millisecond}}})
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 3 || !strings.HasSuffix(lines[1], "1.00") || !strings.HasSuffix(lines[2], "3.00") {
		t.Errorf("table:\n%s", b.String())
	}
}
