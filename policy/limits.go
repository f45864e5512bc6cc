package policy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// limit is one row of the table of limits.
type limit struct {
	name string
	doc  string
	flag string // of the CLI; empty: only a policy file can raise it

	fallback string // the default as text
	least    string
	most     string
	schema   schema

	isZero func(Limits) bool
	exceed func(a, b Limits) bool          // a allows more than b, zero being the default
	copy   func(to *Limits, from Limits)   // copies this limit only
	fill   func(*Limits)                   // puts the default in the place of zero
	text   func(Limits) string             // the value as text
	check  func(Limits) *flaw              // the value is not absurd
	read   func(r *reader, v value) Limits // only this limit is set
}

// limits is the table. A zero default stands for "no limit".
var limits = []limit{
	limitOf("memory", "Memory of all processes together.", "--memory", sizes,
		func(l *Limits) *Bytes { return &l.Memory }, span[Bytes]{2 * GiB, MiB, 16 * TiB}),
	limitOf("cpus", "CPU seconds per second.", "", fractions,
		func(l *Limits) *float64 { return &l.CPUs }, span[float64]{0, 0.01, 4096}),
	limitOf("pids", "Processes and threads together.", "", counts,
		func(l *Limits) *int { return &l.PIDs }, span[int]{512, 1, 1 << 22}),
	limitOf("open_files", "Open files of each process.", "", counts,
		func(l *Limits) *int { return &l.OpenFiles }, span[int]{1024, 16, 1 << 20}),
	limitOf("file_size", "Size of one file that is written.", "", sizes,
		func(l *Limits) *Bytes { return &l.FileSize }, span[Bytes]{4 * GiB, 1, 16 * TiB}),
	limitOf("output", "Bytes of stdout and of stderr, each.", "", sizes,
		func(l *Limits) *Bytes { return &l.Output }, span[Bytes]{16 * MiB, 1, 64 * GiB}),
	limitOf("wall_time", "Time from start to end.", "--timeout", times,
		func(l *Limits) *time.Duration { return &l.WallTime }, span[time.Duration]{0, time.Millisecond, 8760 * time.Hour}),
	limitOf("scratch", "Size of /tmp, /dev/shm and HOME, each.", "", sizes,
		func(l *Limits) *Bytes { return &l.Scratch }, span[Bytes]{512 * MiB, 4 * KiB, 16 * TiB}),
}

// span is the default of a limit and what may be written. A zero fallback
// means that there is no limit unless one is written.
type span[T cmp.Ordered] struct{ fallback, least, most T }

// limitOf makes a row from how the value is written and where it is kept.
func limitOf[T cmp.Ordered](name, doc, flag string, f form[T], field func(*Limits) *T, s span[T]) limit {
	get := func(l Limits) T { return *field(&l) }
	var none T
	effective := func(l Limits) T {
		if v := get(l); v != none {
			return v
		}
		return s.fallback
	}
	return limit{
		name: name, doc: doc, flag: flag,
		fallback: textOrNone(f, s.fallback), least: f.text(s.least), most: f.text(s.most),
		schema: s.bound(f.schema),
		isZero: func(l Limits) bool { return get(l) == none },
		exceed: func(a, b Limits) bool {
			x, y := effective(a), effective(b)
			return y != none && (x == none || x > y)
		},
		copy:  func(to *Limits, from Limits) { *field(to) = get(from) },
		fill:  func(l *Limits) { *field(l) = effective(*l) },
		text:  func(l Limits) string { return f.text(get(l)) },
		check: func(l Limits) *flaw { return s.check(f, get(l)) },
		read: func(r *reader, v value) (l Limits) {
			n, bad := s.read(f, v)
			if bad != nil {
				r.report(v, bad)
			}
			*field(&l) = n
			return l
		},
	}
}

// read reads a written value; zero would mean the default and is refused.
func (s span[T]) read(f form[T], v value) (T, *flaw) {
	var none T
	n, bad := f.read(v.node)
	if bad == nil && n == none {
		bad = &flaw{"0 is not a limit", "leave the key out for the default, " + textOrNone(f, s.fallback)}
	}
	return n, bad
}

// check refuses a written value outside the span.
func (s span[T]) check(f form[T], v T) *flaw {
	var none T
	if v == none || (v >= s.least && v <= s.most) {
		return nil
	}
	return &flaw{fmt.Sprintf("%s is outside %s to %s", f.text(v), f.text(s.least), f.text(s.most)), ""}
}

// bound adds the span to the schema of a plain number.
func (s span[T]) bound(base schema) schema {
	if base["type"] != "integer" && base["type"] != "number" {
		return base
	}
	return schema{"type": base["type"], "minimum": s.least, "maximum": s.most}
}

// textOrNone is a default as text.
func textOrNone[T cmp.Ordered](f form[T], v T) string {
	var none T
	if v == none {
		return "no limit"
	}
	return f.text(v)
}

// Defaults are the limits that hold where a policy writes none. Zero means
// that there is no limit: CPUs and WallTime.
func Defaults() Limits { return Limits{}.Effective() }

// Effective fills each zero limit with its default. Which limits were
// written, and are therefore mandatory, is known only before.
func (l Limits) Effective() Limits {
	for _, row := range limits {
		row.fill(&l)
	}
	return l
}

// plainLimits is Limits without its methods.
type plainLimits Limits

// limitsText is Limits as written in JSON: the wall time is a text.
type limitsText struct {
	plainLimits
	WallTime durationText `json:"wall_time,omitempty"`
}

// MarshalJSON writes sizes and times in their text forms.
func (l Limits) MarshalJSON() ([]byte, error) {
	return json.Marshal(limitsText{plainLimits(l), durationText(l.WallTime)})
}

// UnmarshalJSON reads what MarshalJSON writes. A limit that it does not know
// is an error: a limit is never silently lost.
func (l *Limits) UnmarshalJSON(data []byte) error {
	var text limitsText
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&text); err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	*l = Limits(text.plainLimits)
	l.WallTime = time.Duration(text.WallTime)
	return nil
}

// finite says that a number is one.
func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
