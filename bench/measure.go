package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// variant is one way to do the same thing. do returns an error when it did
// not do it; only its time counts.
type variant struct {
	name string
	do   func() error
}

// series is the measured times of one variant, sorted.
type series struct {
	name  string
	times []time.Duration
}

// interleave measures the variants in turn, n times each after a few rounds of
// warming up, so that what disturbs the machine disturbs all of them alike.
// Each round begins with another variant.
func interleave(n int, variants []variant) ([]series, error) {
	const warmup = 5
	out := make([]series, len(variants))
	for i, v := range variants {
		out[i].name = v.name
	}
	for round := range n + warmup {
		for k := range variants {
			i := (round + k) % len(variants)
			start := time.Now()
			err := variants[i].do()
			took := time.Since(start)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", variants[i].name, err)
			}
			if round >= warmup {
				out[i].times = append(out[i].times, took)
			}
		}
	}
	for i := range out {
		slices.Sort(out[i].times)
	}
	return out, nil
}

// at returns the time below which the share q of the samples lies (nearest rank).
func (s series) at(q float64) time.Duration {
	if len(s.times) == 0 {
		return 0
	}
	rank := int(q*float64(len(s.times)) + 0.999999)
	return s.times[min(max(rank, 1), len(s.times))-1]
}

// table prints the series with their ratios to the first one, at p50.
func table(w io.Writer, rows []series) {
	fmt.Fprintf(w, "%-44s %6s %10s %10s %10s %8s\n", "", "N", "p50 µs", "p95 µs", "p99 µs", "ratio")
	for _, s := range rows {
		ratio := float64(s.at(0.50)) / float64(max(rows[0].at(0.50), 1))
		fmt.Fprintf(w, "%-44s %6d %10d %10d %10d %8.2f\n", s.name, len(s.times),
			s.at(0.50).Microseconds(), s.at(0.95).Microseconds(), s.at(0.99).Microseconds(), ratio)
	}
}
